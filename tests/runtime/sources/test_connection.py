"""A connection in a thread of its own, and its deadlines."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from contextlib import closing

import numpy as np
import pytest

from fsrfer.core.errors import SourceError
from fsrfer.runtime.sources.connection import Connection, ConnectionThread
from fsrfer.runtime.sources.source import TimedImage

IMAGE = np.zeros((4, 6, 3), np.uint8)
NEVER = threading.Event()


def thread_of(connect, start_timeout_s=5.0, read_timeout_s=5.0):
    thread = ConnectionThread(connect, "gate", start_timeout_s=start_timeout_s, read_timeout_s=read_timeout_s)
    thread.start()
    return thread


def connection_of(steps, *, log=None):
    """A connection that gives times, and None, or waits for an event, or raises an error."""

    def images():
        try:
            for step in steps:
                if isinstance(step, threading.Event):
                    step.wait()
                elif isinstance(step, BaseException):
                    raise step
                else:
                    yield None if step is None else TimedImage(IMAGE, step)
        finally:
            if log is not None:
                log.append("closed")

    return Connection(images())


def test_pictures_come_in_order_and_the_end_is_the_end():
    log = []
    with closing(thread_of(lambda: connection_of([0.0, 1.0, None, 2.0], log=log))) as thread:
        assert thread.wait_opened(NEVER).is_recording is False
        assert [timed.stream_time_s for timed in thread.images(NEVER)] == [0.0, 1.0, 2.0]
    assert not thread.is_alive
    assert log == ["closed"]


def test_no_picture_is_read_ahead_of_the_one_that_waits():
    given = []

    def images():
        for index in range(5):
            given.append(index)
            yield TimedImage(IMAGE, float(index))

    with closing(thread_of(lambda: Connection(images()))) as thread:
        pictures = thread.images(NEVER)
        next(pictures)
        time.sleep(0.2)
        assert len(given) <= 3  # taken, in the slot, in the hand of the thread
        assert len(list(pictures)) == 4


@pytest.mark.parametrize("problem", [SourceError("lens cap on"), ZeroDivisionError("defect")])
def test_what_the_thread_raises_is_raised_by_the_taker(problem):
    with closing(thread_of(lambda: connection_of([0.0, problem]))) as thread:
        pictures = thread.images(NEVER)
        assert next(pictures)
        with pytest.raises(type(problem), match=str(problem)):
            next(pictures)


def test_an_opening_that_fails_is_raised_too():
    def connect():
        raise SourceError("nobody at home")

    with closing(thread_of(connect)) as thread, pytest.raises(SourceError, match="nobody at home"):
        thread.wait_opened(NEVER)


def test_an_opening_that_hangs_is_left_behind():
    over = threading.Event()
    log = []

    def connect():
        over.wait()
        return connection_of([0.0], log=log)

    with closing(thread_of(connect, start_timeout_s=0.2)) as thread, pytest.raises(SourceError, match="gate is silent"):
        thread.wait_opened(NEVER)
    assert thread.is_alive
    over.set()
    thread._thread.join(5)
    assert not thread.is_alive


def test_a_read_that_hangs_is_left_behind():
    over = threading.Event()
    with closing(thread_of(lambda: connection_of([0.0, over, 1.0]), read_timeout_s=0.2)) as thread:
        pictures = thread.images(NEVER)
        next(pictures)
        with pytest.raises(SourceError, match=r"gate is silent; found no picture for 0.2 s"):
            next(pictures)
        over.set()
    assert not thread.is_alive


def test_signs_of_life_keep_a_connection_without_pictures():
    def images():
        yield TimedImage(IMAGE, 0.0)
        for _ in range(40):
            time.sleep(0.05)
            yield None
        yield TimedImage(IMAGE, 1.0)

    with closing(thread_of(lambda: Connection(images()), read_timeout_s=1.5)) as thread:
        assert [timed.stream_time_s for timed in thread.images(NEVER)] == [0.0, 1.0]


def test_what_the_taker_does_meanwhile_is_not_the_silence_of_the_camera():
    with closing(thread_of(lambda: connection_of([0.0, 1.0, 2.0]), read_timeout_s=0.4)) as thread:
        for _ in thread.images(NEVER):
            time.sleep(0.6)


def test_a_stop_is_heard_while_nothing_comes():
    over, stop = threading.Event(), threading.Event()
    with closing(thread_of(lambda: connection_of([0.0, over]), start_timeout_s=60, read_timeout_s=60)) as thread:
        pictures = thread.images(stop)
        next(pictures)
        threading.Timer(0.1, stop.set).start()
        assert list(pictures) == []
        over.set()


HANGING = """
import threading, time
from fsrfer.runtime.sources import FrameCollector, SourceSettings
from fsrfer.runtime.sources.live import LiveSource

source = LiveSource("gate", lambda: threading.Event().wait(), settings=SourceSettings(start_timeout_s=60))
with FrameCollector([source]) as collector:
    collector.take(0.5)
print("over")
"""


def test_a_read_that_hangs_for_ever_does_not_keep_the_process():
    done = subprocess.run([sys.executable, "-c", HANGING], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "over\n", "")
