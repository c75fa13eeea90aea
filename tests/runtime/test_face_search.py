"""Which frames are searched, where, and for what."""

import time

import numpy as np
import pytest

from fsrfer.runtime.detection import DetectorConfig, FaceDetections
from fsrfer.runtime.face_search import FaceSearch
from fsrfer.runtime.frame import Clock, Frame
from fsrfer.runtime.recorded_boxes import RecordedBoxes
from fsrfer.runtime.sources import SourceSettings, SourceState, SourceStatus
from fsrfer.runtime.telemetry import Stage, StageTimes


class CornerDetector:
    """Finds one face in the corner of whatever it is shown, and notes what that was."""

    name = "corner"
    score_threshold = 0.5

    def __init__(self, config=None, calls=None):
        self.config = config or DetectorConfig()
        self.calls = [] if calls is None else calls

    def with_config(self, config):
        return CornerDetector(config, self.calls)

    def detect_batch(self, images):
        self.calls.append((self.config.min_face_px, self.config.max_side, [image.shape[:2] for image in images]))
        box = np.array([[1, 2, 11, 14]], np.float32)
        return [FaceDetections(box, np.ones(1, np.float32), np.full((1, 5, 2), 3, np.float32)) for _ in images]


def searched(search, frames):
    """What the search finds; None where it was not a frame's turn."""
    due = search.choose(frames)
    found = iter(search.find([one for one, is_due in zip(frames, due, strict=True) if is_due]))
    return [next(found) if is_due else None for is_due in due]


def frame(source="hall", settings=None, *, is_still=False, shape=(60, 80, 3)):
    image = np.zeros(shape, np.uint8)
    return Frame(source, 0, 0.0, Clock.STREAM, image, is_still=is_still, settings=settings)


def test_frames_are_searched_in_turn():
    detector = CornerDetector()
    search = FaceSearch(detector, 2, StageTimes())
    found = [searched(search, [frame()])[0] for _ in range(4)]
    assert [one is not None for one in found] == [True, False, True, False]
    assert searched(search, [frame(is_still=True)])[0] is not None


def test_only_the_frames_whose_turn_it_is_share_a_run():
    detector = CornerDetector()
    search = FaceSearch(detector, 2, StageTimes())
    searched(search, [frame("a")])
    found = searched(search, [frame("a"), frame("b"), frame("c", is_still=True)])
    assert [one is not None for one in found] == [False, True, True]
    assert [len(shapes) for _, _, shapes in detector.calls] == [1, 2]


def test_a_region_is_searched_and_found_in_the_pixels_of_the_frame():
    detector = CornerDetector()
    search = FaceSearch(detector, 1, StageTimes())
    (found,) = searched(search, [frame(settings=SourceSettings(region=(0.5, 0.25, 1.0, 1.0)))])
    assert detector.calls[0][2] == [(45, 40)]
    assert found.boxes.tolist() == [[41, 17, 51, 29]]
    assert found.landmarks[0, 0].tolist() == [43, 18]


def test_each_source_is_searched_as_it_wants_and_the_order_stays():
    detector = CornerDetector()
    search = FaceSearch(detector, 1, StageTimes())
    small = SourceSettings(min_face_px=20, detector_side=320, region=(0, 0, 40, 30))
    found = searched(search, [frame("a", small), frame("b"), frame("c", small, shape=(90, 80, 3)), frame("d")])
    assert [(px, side, len(shapes)) for px, side, shapes in detector.calls] == [(20, 320, 2), (8.0, 1280, 2)]
    assert all(one.boxes.tolist() == [[1, 2, 11, 14]] for one in found)
    searched(search, [frame("a", small)])
    assert detector.calls[-1][:2] == (20, 320)


def test_weak_faces_are_looked_for_in_what_moves():
    seen = []

    class Noting(CornerDetector):
        def with_config(self, config):
            seen.append(config.score_threshold)
            return super().with_config(config)

    search = FaceSearch(Noting(), 1, StageTimes(), low_score=0.3)
    searched(search, [frame(is_still=True)])
    assert seen == []
    searched(search, [frame("a"), frame("b")])
    assert seen == [0.3]
    searched(FaceSearch(Noting(), 1, StageTimes(), low_score=0.7), [frame()])  # it reports weaker ones anyway
    assert seen == [0.3]


def test_a_source_that_is_forgotten_is_new():
    search = FaceSearch(CornerDetector(), 3, StageTimes())
    assert [searched(search, [frame()])[0] is not None for _ in range(2)] == [True, False]
    search.forget("hall")
    assert searched(search, [frame()])[0] is not None


def test_boxes_that_are_known_are_never_skipped(tmp_path):
    path = tmp_path / "boxes.jsonl"
    path.write_text('{"frame": 0, "faces": [{"box": [1, 2, 3, 4]}]}\n', encoding="utf-8")
    search = FaceSearch(RecordedBoxes(path), 5, StageTimes())
    assert all(searched(search, [frame()])[0] is not None for _ in range(3))


def status(frames, dropped=0, *, is_live=True):
    drops = {} if not dropped else {"replaced": dropped}
    return SourceStatus("hall", SourceState.UP, is_live, frames, drops, 0, None, None)


class SlowDetector(CornerDetector):
    def detect_batch(self, images):
        time.sleep(0.02 * len(images))
        return super().detect_batch(images)


def test_the_distance_follows_the_load_of_live_sources():
    stages = StageTimes()
    search = FaceSearch(SlowDetector(), None, stages)
    assert search.adapt([status(0)], 0.0, 0.0)
    for second in range(1, 8):
        for _ in range(5):
            searched(search, [frame()])
        assert not search.adapt([status(100 * second)], second - 0.5, 0.0)
        assert search.adapt([status(100 * second, dropped=20)], float(second), 0.5)
    assert search.every == 5  # 100 frames a second at 20 ms each
    assert stages.snapshot()[Stage.DETECT].count > 0
    for second in range(8, 20):
        searched(search, [frame()])
        search.adapt([status(700, is_live=False)], float(second), 0.9)
    assert search.every == 1  # recordings wait


@pytest.mark.parametrize("every", [1, 3])
def test_a_fixed_distance_is_kept_whatever_the_load(every):
    search = FaceSearch(CornerDetector(), every, StageTimes())
    for second in range(5):
        searched(search, [frame()])
        search.adapt([status(10_000 * second)], float(second), 0.0)
    assert search.every == every


def test_frames_that_give_way_make_detection_rarer():
    search = FaceSearch(CornerDetector(), None, StageTimes())
    for second in range(4):
        searched(search, [frame()])
        search.adapt([status(90 * second, dropped=10 * second)], float(second), 0.99)
    assert search.every == 4  # the first look has nothing to compare with
