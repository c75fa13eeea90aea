"""Reading several sources at once."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from fsrfer.core.errors import SourceError, UsageError
from fsrfer.runtime.frame import Clock, Frame
from fsrfer.runtime.sources import FrameCollector

IMAGE = np.zeros((4, 4, 3), np.uint8)


class CountingSource:
    """Gives a number of frames, then ends or fails."""

    reconnects = 0

    def __init__(self, name, count, *, clock=Clock.STREAM, error=None, interval_s=0.0):
        self.name = name
        self.given = 0
        self.is_closed = False
        self._count = count
        self._clock = clock
        self._error = error
        self._interval_s = interval_s

    def frames(self, stop):
        try:
            for index in range(self._count):
                self.given += 1
                yield Frame(self.name, index, float(index), self._clock, IMAGE)
                stop.wait(self._interval_s)
            if self._error is not None:
                raise self._error
        finally:
            self.is_closed = True


def drain(collector):
    frames = []
    while (frame := collector.take()) is not None:
        frames.append((frame.source, frame.index))
    return frames


def wait_until(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_recordings_lose_no_frame_and_take_turns():
    with FrameCollector([CountingSource("a", 30), CountingSource("b", 30)], queue_frames=4) as collector:
        wait_until(lambda: all(reader.queue for reader in collector._readers))
        frames = drain(collector)
    for name in "ab":
        assert [index for source, index in frames if source == name] == list(range(30))
    assert {frames[0][0], frames[1][0]} == {"a", "b"}
    assert [status.frames for status in collector.statuses()] == [30, 30]


def test_a_recording_waits_for_its_frames_to_be_taken():
    source = CountingSource("a", 1000)
    with FrameCollector([source], queue_frames=3) as collector:
        wait_until(lambda: source.given == 4)
        time.sleep(0.05)
        assert source.given == 4  # three in the queue and one in the hand
        assert collector.take() is not None
    assert source.is_closed
    assert source.given <= 6


def test_a_live_source_keeps_its_latest_frame_and_counts_the_others():
    source = CountingSource("camera", 50, clock=Clock.WALL)
    with FrameCollector([source]) as collector:
        wait_until(lambda: source.is_closed)
        assert drain(collector) == [("camera", 49)]
    (status,) = collector.statuses()
    assert (status.frames, status.dropped) == (1, 49)


def test_one_failure_is_logged_once_and_the_others_go_on(caplog):
    broken = CountingSource("broken", 2, error=SourceError("lens cap on"))
    with FrameCollector([broken, CountingSource("whole", 20)]) as collector:
        frames = drain(collector)
    assert sorted(frames) == [("broken", 0), ("broken", 1)] + [("whole", index) for index in range(20)]
    assert [str(status.error) for status in collector.statuses()] == ["lens cap on", "None"]
    assert caplog.text.count("lens cap on") == 1


def test_a_defect_reaches_the_caller_with_its_traceback():
    broken = CountingSource("broken", 0, error=ZeroDivisionError("defect"))
    with FrameCollector([broken]) as collector, pytest.raises(ZeroDivisionError, match="defect"):
        drain(collector)


def test_a_limit_ends_each_source():
    sources = [CountingSource("a", 100), CountingSource("b", 2)]
    with FrameCollector(sources, max_frames=5) as collector:
        frames = drain(collector)
    assert sorted(frames) == [("a", index) for index in range(5)] + [("b", 0), ("b", 1)]
    assert sources[0].is_closed


def test_taking_in_vain_ends_with_the_time():
    idle = CountingSource("idle", 2, clock=Clock.WALL, interval_s=30)
    with FrameCollector([idle]) as collector:
        assert collector.take(5.0) is not None
        assert collector.take(0.01) is None
        assert not collector.is_exhausted
        assert collector.live_sources == 1
    assert collector.is_exhausted


def test_a_stop_hands_out_nothing_more_and_leaves_no_thread():
    sources = [CountingSource("a", 1000), CountingSource("camera", 10_000, clock=Clock.WALL, interval_s=0.001)]
    with FrameCollector(sources) as collector:
        assert collector.take() is not None
        collector.stop()
        assert collector.take() is None
        assert collector.is_exhausted
    assert all(source.is_closed for source in sources)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("fsrfer-source")]


def test_no_source_is_wrong_usage():
    with pytest.raises(UsageError, match="nothing to read"):
        FrameCollector([])


def test_waiting_takes_nothing_and_ends_with_a_frame_with_the_last_one_and_with_the_time():
    with FrameCollector([CountingSource("a", 2)]) as collector:
        for index in range(2):
            collector.wait(10.0)
            assert collector.take(0.0).index == index  # it is there, and was not taken
        collector.wait(10.0)
        assert collector.is_exhausted
        collector.wait(10.0)
    with FrameCollector([CountingSource("a", 1, interval_s=10.0)]) as collector:
        assert collector.take(10.0) is not None
        collector.wait(0.01)
        assert not collector.is_exhausted
