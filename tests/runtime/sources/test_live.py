"""Losing a connection and making it again."""

from __future__ import annotations

import itertools
import logging
import threading
from contextlib import closing

import numpy as np
import pytest

from fsrfer.core.errors import SourceError
from fsrfer.runtime.sources import ReconnectPolicy, SourceSettings
from fsrfer.runtime.sources.connection import Connection
from fsrfer.runtime.sources.live import LiveSource
from fsrfer.runtime.sources.source import RefusedError, TimedImage

IMAGE = np.zeros((4, 6, 3), np.uint8)
QUICK = ReconnectPolicy(first_delay_s=0.01, max_delay_s=0.02, initial_attempts=3)
BROKEN = SourceError("no route")
REFUSED = RefusedError("wrong password")


class Script:
    """What each attempt to connect brings: a number of frames, or an error."""

    def __init__(self, *attempts):
        self._attempts = iter(attempts)
        self.made = 0

    def __call__(self):
        self.made += 1
        attempt = next(self._attempts)
        if isinstance(attempt, BaseException):
            raise attempt
        return Connection(TimedImage(IMAGE, index / 25) for index in range(attempt))


def take(source, count):
    with closing(source.frames(threading.Event())) as frames:
        return list(itertools.islice(frames, count))


def warnings_of(caplog):
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_an_outage_is_said_once_and_its_end_too(caplog):
    caplog.set_level(logging.DEBUG)
    source = LiveSource("gate", Script(2, BROKEN, BROKEN, BROKEN, BROKEN, 2), QUICK)
    frames = take(source, 4)
    assert [frame.index for frame in frames] == [0, 1, 2, 3]
    assert np.all(np.diff([frame.time_s for frame in frames]) >= 0)
    assert source.reconnects == 1
    said = warnings_of(caplog)
    assert said[0] == "gate was disconnected; trying again until it comes back"
    assert said[1].startswith("gate is connected again after ")
    assert len(said) == 2
    assert caplog.text.count("no route") == 4


def test_a_late_first_connection_is_no_reconnect(caplog):
    source = LiveSource("gate", Script(BROKEN, BROKEN, 1), QUICK)
    take(source, 1)
    assert source.reconnects == 0
    assert len(warnings_of(caplog)) == 2


def test_a_source_that_never_worked_is_given_up_unless_it_is_to_be_waited_for():
    with pytest.raises(SourceError, match=r"gave up on gate after 3 attempts; found no route"):
        take(LiveSource("gate", Script(*[BROKEN] * 3), QUICK), 1)
    patient = SourceSettings(keep_trying=True)
    assert take(LiveSource("gate", Script(*[BROKEN] * 9, 1), QUICK, settings=patient), 1)


def test_a_refusal_is_final_at_first_and_an_outage_later(caplog):
    with pytest.raises(RefusedError):
        take(LiveSource("gate", Script(REFUSED), QUICK, settings=SourceSettings(keep_trying=True)), 1)
    # A camera that restarts may know its users only after a while.
    source = LiveSource("gate", Script(1, REFUSED, REFUSED, 1), QUICK)
    assert len(take(source, 2)) == 2
    assert source.reconnects == 1
    assert len(warnings_of(caplog)) == 2


class Delays(threading.Event):
    """Notes how long it was waited for, and does not wait."""

    def __init__(self):
        super().__init__()
        self.seconds = []

    def wait(self, timeout=None):
        self.seconds.append(timeout)
        return self.is_set()


def test_a_camera_that_comes_back_for_a_moment_each_time_is_asked_ever_less():
    policy = ReconnectPolicy(first_delay_s=1.0, max_delay_s=30.0, jitter=0.0)
    stop = Delays()
    with closing(LiveSource("gate", Script(*[1] * 9), policy).frames(stop)) as frames:
        list(itertools.islice(frames, 8))
    assert stop.seconds == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]


def test_a_connection_that_held_begins_the_delays_anew_and_a_refusal_waits_longest():
    policy = ReconnectPolicy(first_delay_s=1.0, max_delay_s=30.0, jitter=0.0, settle_s=0.0)
    stop = Delays()
    with closing(LiveSource("gate", Script(1, 1, BROKEN, 1, REFUSED, 1), policy).frames(stop)) as frames:
        list(itertools.islice(frames, 4))
    assert stop.seconds == [1.0, 1.0, 2.0, 1.0, 30.0]


def test_attempts_that_hang_are_counted_and_bounded():
    over = threading.Event()
    attempts = []

    def connect():
        attempts.append(threading.current_thread())
        over.wait()
        raise BROKEN

    settings = SourceSettings(start_timeout_s=0.05)
    policy = ReconnectPolicy(first_delay_s=0.01, max_delay_s=0.02, initial_attempts=6)
    source = LiveSource("gate", connect, policy, settings=settings)
    with pytest.raises(SourceError, match=r"gave up on gate after 6 attempts; found gate hangs; found 3 attempts"):
        take(source, 1)
    assert len(attempts) == 3
    assert source.counters["hung"] == 3
    over.set()
    for thread in attempts:
        thread.join(5)
        assert not thread.is_alive()


def test_a_region_outside_the_frame_is_an_outage(caplog):
    settings = SourceSettings(region=(100, 0, 200, 100))
    with pytest.raises(SourceError, match=r"gave up on gate after 3 attempts; found gate: the region"):
        take(LiveSource("gate", Script(1, 1, 1), QUICK, settings=settings), 1)
    assert len(warnings_of(caplog)) == 1


def test_a_stop_between_attempts_ends_it():
    stop = threading.Event()
    source = LiveSource("gate", Script(1), ReconnectPolicy(first_delay_s=60, max_delay_s=60, jitter=0.0))
    with closing(source.frames(stop)) as frames:
        next(frames)
        threading.Timer(0.1, stop.set).start()
        assert list(frames) == []
