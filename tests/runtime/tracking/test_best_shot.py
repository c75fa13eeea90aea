"""The best look at every face."""

from __future__ import annotations

import numpy as np
import pytest

from fsrfer.core.errors import InputSpecError
from fsrfer.core.predictions import ExpressionPredictions
from fsrfer.runtime.detection import FaceDetections
from fsrfer.runtime.frame import Clock, Frame
from fsrfer.runtime.results import FaceTracks, FrameResult
from fsrfer.runtime.tracking import BestShots


def seen(ids, time_s, index, qualities, *, levels=None, detected=True, followed=True) -> FrameResult:
    """A frame in which track number i of ``ids`` has a box of 16 px at 20 i, filled with its grey level."""
    count = len(ids)
    image = np.zeros((40, 20 * max(count, 1), 3), np.uint8)
    for face, level in enumerate(levels or ()):
        image[:, 20 * face : 20 * face + 20] = level
    boxes = np.array([[20 * face, 10, 20 * face + 16, 26] for face in range(count)], np.float32).reshape(-1, 4)
    flags = np.broadcast_to(detected, count).astype(bool)
    tracks = FaceTracks(
        np.array(ids, np.int64), np.zeros(count, np.float32), flags, flags, np.array(qualities, np.float32)
    )
    predictions = ExpressionPredictions(
        ("neutral", "happiness"),
        np.full((count, 2), 0.5, np.float32),
        np.zeros(count, np.int64),
        np.full(count, 16, np.float32),
        np.zeros(count, bool),
    )
    detections = FaceDetections(boxes, np.ones(count, np.float32))
    frame = Frame("hall", index, time_s, Clock.STREAM, image)
    return FrameResult(frame, predictions, detections, tracks if followed else None)


def test_the_best_look_is_kept():
    shots = BestShots()
    for frame, qualities in enumerate([(0.2, 0.9), (0.7, 0.5), (0.4, 0.6)]):
        shots.update(seen([3, 8], frame / 10, frame, qualities))
    shot = shots.shot_of(3)
    assert (shot.track_id, shot.frame_index, shot.time_s) == (3, 1, pytest.approx(0.1))
    assert shot.quality == pytest.approx(0.7)
    assert shot.box == (0.0, 10.0, 16.0, 26.0)
    assert shots.shot_of(8).frame_index == 0
    assert shots.shot_of(8).box == (20.0, 10.0, 36.0, 26.0)
    assert shots.shot_of(99) is None


def test_no_picture_is_kept_unless_asked_for():
    shots = BestShots()
    shots.update(seen([1], 0.0, 0, [0.5], levels=[7]))
    assert shots.shot_of(1).crop is None


def test_kept_pictures_are_copies_of_the_best():
    shots = BestShots(keep_crops=True)
    for frame, (level, quality) in enumerate([(10, 0.2), (20, 0.8), (30, 0.5)]):
        result = seen([1], frame / 10, frame, [quality], levels=[level])
        shots.update(result)
        result.frame.image[:] = 255
    crop = shots.shot_of(1).crop
    assert crop.shape == (19, 19, 3)  # 16 px and a tenth on each side
    assert (crop == 20).all()


def test_only_found_faces_and_real_qualities_count():
    shots = BestShots()
    shots.update(seen([1, 2], 0.0, 0, [0.9, np.nan], detected=[False, True]))
    assert shots.shot_of(1) is None
    assert shots.shot_of(2) is None
    shots.update(seen([1, 2], 0.1, 1, [0.1, 0.2]))
    assert shots.shot_of(1).frame_index == shots.shot_of(2).frame_index == 1


def test_the_shots_of_ended_tracks_are_handed_out_once():
    shots = BestShots(keep_crops=True, forget_after_s=1.0)
    shots.update(seen([1, 2], 0.0, 0, [0.5, np.nan], levels=[1, 2]))
    assert shots.update(seen([3], 1.0, 10, [0.5], levels=[3])) == []
    (ended,) = shots.update(seen([3], 1.1, 11, [0.5], levels=[3]))  # nobody had a look at track 2
    assert (ended.track_id, int(ended.crop[9, 9, 0])) == (1, 1)
    assert shots.shot_of(1) is None
    assert len(shots) == 1
    (ended,) = shots.update(seen([4], 0.0, 12, [0.5], levels=[4]))  # time ran backwards
    assert ended.track_id == 3


def test_memory_is_bounded():
    shots = BestShots(keep_crops=True, forget_after_s=2.0)
    handed_out = 0
    for step in range(200):
        handed_out += len(shots.update(seen([step], step / 10, step, [0.5], levels=[step % 250])))
    assert len(shots) <= 21
    assert handed_out == 200 - len(shots)


def test_what_does_not_fit_is_refused():
    with pytest.raises(InputSpecError, match="cannot be compared"):
        BestShots().update(seen([1], float("nan"), 0, [0.5]))
    with pytest.raises(InputSpecError, match="cannot be compared"):
        BestShots().update(seen([1], 0.0, 0, [0.5], followed=False))
    for seconds in (0.0, float("nan"), float("inf")):
        with pytest.raises(InputSpecError, match="memory"):
            BestShots(forget_after_s=seconds)
