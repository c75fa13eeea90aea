"""People of one source over time, on the embedded crowd clip and on scripted faces."""

from dataclasses import replace

import numpy as np
import pytest

from fsrfer.core.crop import crop_faces
from fsrfer.core.predictions import ExpressionPredictions
from fsrfer.runtime.detection import FaceDetections
from fsrfer.runtime.frame import Clock, Frame
from fsrfer.runtime.scene import FollowOptions, Scene
from fsrfer.runtime.tracking import ReadingConfig, SmoothingConfig

LABELS = ("neutral", "happiness", "fear")
RNG = np.random.default_rng(5)
IMAGE = RNG.integers(0, 255, (90, 160, 3), dtype=np.uint8)


def frame(index, fps=10.0):
    return Frame("hall", index, index / fps, Clock.WALL, IMAGE)


def found(*boxes):
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    return FaceDetections(boxes, np.full(len(boxes), 0.9, np.float32))


def readings(sizes, label=1, certainty=0.8):
    count = len(sizes)
    probabilities = np.full((count, 3), (1 - certainty) / 2, np.float32)
    probabilities[:, label] = certainty
    return ExpressionPredictions(
        labels=LABELS,
        probabilities=probabilities,
        label_index=np.full(count, label, np.int64),
        face_size_px=np.array(sizes, np.float32),
        abstained=np.zeros(count, bool),
    )


def scene(**options):
    return Scene(FollowOptions(**options), LABELS, crop_margin=0.1, abstain_below=0.0)


def step(watched, index, detections, label=1):
    """Run one frame; the model reads ``label`` everywhere."""
    now = frame(index)
    pending = watched.choose(now, watched.follow(now, detections))
    sizes = [crop.shape[0] for crop in pending.crops]
    return pending, watched.result(pending, readings(sizes, label), np.ones(len(sizes), bool))


def test_a_new_face_is_read_at_once_and_then_when_it_pays():
    watched = scene()
    read = []
    for index in range(10):
        _, result = step(watched, index, found([40, 20, 64, 44]))
        read.append(bool(result.tracks.was_read[0]))
        assert result.predictions.label_of(0) == "happiness"
        assert result.tracks.ids.tolist() == [1]
    assert read[0]
    assert 1 < sum(read) < 6
    assert result.tracks.age_s[0] == pytest.approx(0.9)


def test_the_size_of_a_face_is_that_of_its_crop_whether_it_was_read_or_not():
    watched = scene()
    boxes = ([40, 20, 64, 47], [100.4, 30.2, 111.9, 41.0])
    for index in range(3):
        pending, result = step(watched, index, found(*boxes))
        crops = crop_faces(IMAGE, result.boxes, 0.1)
        assert result.predictions.face_size_px.tolist() == [crop.shape[0] for crop in crops]
        assert len(pending.crops) == int(result.tracks.was_read.sum())


def test_between_detections_faces_are_where_their_motion_takes_them():
    watched = scene()
    for index in range(6):
        step(watched, index, found([20 + 4 * index, 20, 44 + 4 * index, 44]))
    _, result = step(watched, 6, None)
    assert not result.tracks.is_detected[0]
    assert result.boxes[0, 0] == pytest.approx(44, abs=2.5)


def test_a_face_that_was_never_read_is_unknown():
    watched = scene(reading=ReadingConfig(max_faces=1))
    _, result = step(watched, 0, found([10, 10, 34, 34], [100, 40, 124, 64]))
    labels = sorted(result.predictions.label_of(face) for face in range(2))
    assert labels == ["happiness", "unknown"]
    _, result = step(watched, 1, found([10, 10, 34, 34], [100, 40, 124, 64]))
    assert [result.predictions.label_of(face) for face in range(2)] == ["happiness", "happiness"]


def test_readings_without_numbers_do_not_change_what_is_shown():
    watched = scene(reading=ReadingConfig(max_age_s=0.0))
    step(watched, 0, found([40, 20, 64, 44]))
    now = frame(1)
    pending = watched.choose(now, watched.follow(now, found([40, 20, 64, 44])))
    assert len(pending.crops) == 1
    broken = readings([24])
    broken.probabilities[:] = np.nan
    result = watched.result(pending, broken, np.zeros(1, bool))
    assert result.predictions.label_of(0) == "happiness"
    assert np.isfinite(result.predictions.probabilities).all()


def test_one_odd_reading_does_not_flip_the_label_but_a_change_does():
    watched = scene(reading=ReadingConfig(max_age_s=0.0), smoothing=SmoothingConfig())
    box = [40, 20, 64, 44]
    for index in range(10):
        step(watched, index, found(box), label=1)
    _, result = step(watched, 10, found(box), label=2)
    assert result.predictions.label_of(0) == "happiness"
    for index in range(11, 31):
        _, result = step(watched, index, found(box), label=2)
    assert result.predictions.label_of(0) == "fear"


def test_a_frame_of_somebody_else_is_a_defect():
    watched = scene()
    now = frame(0)
    pending = watched.choose(now, watched.follow(now, found([40, 20, 64, 44])))

    with pytest.raises(ValueError, match="does not belong"):
        watched.result(replace(pending, tracked=None), readings([24]), np.ones(1, bool))


def test_an_empty_frame_has_an_empty_result():
    _, result = step(scene(), 0, found())
    assert len(result) == 0
    assert len(result.tracks) == 0
