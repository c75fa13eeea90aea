"""Frames are searched side by side and come out in the order in which they went in."""

import threading
import time
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsrfer.runtime.detection import DetectorConfig, FaceDetections
from fsrfer.runtime.face_search import FaceSearch
from fsrfer.runtime.frame import Clock, Frame
from fsrfer.runtime.search_lanes import SearchLanes
from fsrfer.runtime.sources import FrameCollector
from fsrfer.runtime.telemetry import Stage, StageTimes


class ListedSource:
    """Gives frames whose pixels tell their number, then ends, or waits until it is told to."""

    reconnects = 0

    def __init__(self, name, count, *, is_live=False, interval_s=0.0, lasts=False):
        self.name = name
        self._count = count
        self._clock = Clock.WALL if is_live else Clock.STREAM
        self._interval_s = interval_s
        self._lasts = lasts

    def frames(self, stop):
        for index in range(self._count):
            image = np.full((40, 60, 3), index % 256, np.uint8)
            yield Frame(self.name, index, time.time(), self._clock, image)
            if stop.wait(self._interval_s):
                return
        while self._lasts and not stop.wait(0.02):
            pass


class UnevenDetector:
    """Takes a time that a frame's number decides, and finds a box that tells it; one thread at a time uses one."""

    name = "uneven"
    score_threshold = 0.3
    config = DetectorConfig()

    def __init__(self, seconds=lambda index: 0.002 * (3 - index % 4) if index % 4 < 3 else 0.0, shared=None):
        self._seconds = seconds
        self._is_busy = threading.Lock()
        self.shared = shared or {"running": 0, "most": 0, "lock": threading.Lock()}

    def for_thread(self):
        return type(self)(self._seconds, self.shared)

    def detect_batch(self, images):
        assert self._is_busy.acquire(blocking=False), "two threads use one detector"
        with self.shared["lock"]:
            self.shared["running"] += 1
            self.shared["most"] = max(self.shared["most"], self.shared["running"])
        numbers = [int(image[0, 0, 0]) for image in images]
        time.sleep(sum(self._seconds(number) for number in numbers))
        with self.shared["lock"]:
            self.shared["running"] -= 1
        self._is_busy.release()
        return [_box(number) for number in numbers]


class FailingDetector(UnevenDetector):
    def detect_batch(self, images):
        if int(images[0][0, 0, 0]) == 3:
            raise RuntimeError("no memory")
        return super().detect_batch(images)


def _box(number):
    return FaceDetections(np.array([[number, 0, number + 8, 9]], np.float32), np.ones(1, np.float32), None)


def until(condition):
    deadline_s = time.monotonic() + 20.0
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.005)


def drain(lanes):
    pairs = []
    while not lanes.is_exhausted:
        pairs += lanes.take(1.0)
    return pairs


def run(sources, detector, lanes, *, every=1, most=1):
    stages = StageTimes()
    search = None if detector is None else FaceSearch(detector, every, stages, lanes)
    with FrameCollector(sources) as collector, SearchLanes(collector, search, stages, lanes=lanes, most=most) as found:
        return drain(found), stages


@settings(max_examples=25, deadline=None)
@given(
    counts=st.lists(st.integers(0, 12), min_size=1, max_size=4),
    lanes=st.integers(1, 4),
    most=st.integers(1, 3),
    every=st.integers(1, 3),
)
def test_every_frame_comes_once_in_order_with_its_own_faces(counts, lanes, most, every):
    sources = [ListedSource(f"s{number}", count) for number, count in enumerate(counts)]
    pairs, _ = run(sources, UnevenDetector(), lanes, every=every, most=most)
    given_frames, searched = defaultdict(list), defaultdict(list)
    for frame, faces in pairs:
        given_frames[frame.source].append(frame.index)
        if faces is not None:
            assert faces.boxes[0, 0] == frame.index
            searched[frame.source].append(frame.index)
    assert given_frames == {f"s{number}": list(range(count)) for number, count in enumerate(counts) if count}
    for indices in searched.values():
        gaps = np.diff(indices)
        assert indices[0] == 0
        assert (gaps[:1] <= every).all()  # sources that come later take their turns at other frames
        assert (gaps[1:] == every).all()


def test_lanes_search_at_the_same_time():
    together = threading.Barrier(3, timeout=20.0)  # nobody passes it alone
    detector = UnevenDetector(lambda index: float(together.wait() < 0))
    pairs, _ = run([ListedSource("a", 6)], detector, 3)
    assert len(pairs) == 6
    assert detector.shared["most"] == 3


def test_no_more_frames_than_lanes_are_on_their_way():
    with FrameCollector([ListedSource("a", 50, is_live=True, interval_s=0.005, lasts=True)]) as collector:
        stages = StageTimes()
        search = FaceSearch(UnevenDetector(), 1, stages, 2)
        with SearchLanes(collector, search, stages, lanes=2) as lanes:
            # Nobody takes: newer frames replace those that no lane has taken, until two are on their way and one waits.
            until(lambda: collector.statuses()[0].dropped == 47)
            first = [lanes.take(1.0)[0][0] for _ in range(2)]
            third = lanes.take(1.0)[0][0]
    assert [frame.index for frame in first] == [0, 1]
    assert third.index == 49


def test_ready_made_faces_are_not_searched():
    pairs, stages = run([ListedSource("a", 5, is_live=True, interval_s=0.02)], None, 1)
    assert pairs
    assert all(faces is None for _, faces in pairs)
    assert stages.snapshot()[Stage.WAIT].count == len(pairs)
    assert stages.snapshot()[Stage.DETECT].count == 0


def test_a_failed_detection_is_raised_where_frames_are_taken():
    with pytest.raises(RuntimeError, match="no memory"):
        run([ListedSource("a", 10)], FailingDetector(), 2)


def test_a_defect_of_a_source_is_raised_where_frames_are_taken():
    class Broken(ListedSource):
        def frames(self, stop):
            yield from super().frames(stop)
            raise ZeroDivisionError("in the source")

    with pytest.raises(ZeroDivisionError, match="in the source"):
        run([Broken("a", 2)], UnevenDetector(), 2)


def test_taking_ends_with_the_time():
    collector = FrameCollector([ListedSource("a", 0, lasts=True)])
    with collector, SearchLanes(collector, None, StageTimes()) as lanes:
        assert lanes.take(0.05) == []
        assert not lanes.is_exhausted
        collector.stop()
        assert lanes.take(5.0) == []
        assert lanes.is_exhausted


def test_a_source_may_come_after_all_others_ended():
    collector = FrameCollector([ListedSource("a", 1)])
    with collector, SearchLanes(collector, None, StageTimes(), lanes=2) as lanes:
        assert [frame.source for frame, _ in drain(lanes)] == ["a"]
        collector.add(ListedSource("b", 2))
        assert [frame.source for frame, _ in drain(lanes)] == ["b", "b"]


def test_a_source_that_is_forgotten_hands_nothing_on():
    go_on = threading.Event()
    detector = UnevenDetector(lambda index: float(not go_on.wait(10.0)))
    stages = StageTimes()
    sources = [ListedSource("gone", 3, lasts=True), ListedSource("stays", 3)]
    collector = FrameCollector(sources)
    with collector, SearchLanes(collector, FaceSearch(detector, 1, stages, 2), stages, lanes=2) as lanes:
        until(lambda: detector.shared["running"] == 2)  # a frame in each lane
        collector.remove("gone")
        lanes.forget("gone")
        go_on.set()
        assert {frame.source for frame, _ in drain(lanes)} == {"stays"}


def test_a_frame_is_not_held_up_by_another_source():
    go_on = threading.Event()
    detector = UnevenDetector(lambda index: float(not go_on.wait(20.0)))
    stages = StageTimes()
    collector = FrameCollector([ListedSource("slow", 1, lasts=True)])
    search = FaceSearch(detector, 2, stages, 2)
    search.choose([Frame("quick", 0, 0.0, Clock.STREAM, np.zeros((4, 4, 3), np.uint8))])  # its next is not searched
    with collector, SearchLanes(collector, search, stages, lanes=2) as lanes:
        until(lambda: detector.shared["running"] == 1)
        collector.add(ListedSource("quick", 1, lasts=True))
        assert [frame.source for frame, _ in lanes.take(20.0)] == ["quick"]
        go_on.set()
        assert [frame.source for frame, _ in lanes.take(20.0)] == ["slow"]
