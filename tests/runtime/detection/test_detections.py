"""The struct of arrays that detectors return."""

from __future__ import annotations

import numpy as np
import pytest

from fsrfer.core.errors import InputSpecError
from fsrfer.runtime.detection import FaceDetections
from fsrfer.runtime.detection.detections import join

BOXES = np.array([[0, 0, 10, 20], [5, 5, 9, 8]], np.float32)
SCORES = np.array([0.9, 0.7], np.float32)
LANDMARKS = np.arange(20, dtype=np.float32).reshape(2, 5, 2)


def test_empty_has_no_faces_and_landmarks_of_the_right_shape():
    nothing = FaceDetections.empty()
    assert len(nothing) == 0
    assert nothing.landmarks.shape == (0, 5, 2)
    assert nothing.sides.shape == (0,)


def test_sides_are_the_longer_ones():
    np.testing.assert_array_equal(FaceDetections(BOXES, SCORES).sides, [20, 4])


def test_select_takes_a_mask_or_indices_and_keeps_arrays_together():
    faces = FaceDetections(BOXES, SCORES, LANDMARKS)
    by_mask, by_index = faces.select(np.array([False, True])), faces.select(np.array([1, 0]))
    np.testing.assert_array_equal(by_mask.boxes, BOXES[1:])
    np.testing.assert_array_equal(by_mask.landmarks, LANDMARKS[1:])
    np.testing.assert_array_equal(by_index.scores, SCORES[::-1])


def test_select_without_landmarks_has_none():
    assert FaceDetections(BOXES, SCORES).select(np.array([True, False])).landmarks is None


@pytest.mark.parametrize(
    ("boxes", "scores", "landmarks", "message"),
    [
        (BOXES.astype(np.float64), SCORES, None, r"wrong boxes; expected float32 \(2, 4\); found float64"),
        (BOXES[:1], SCORES, None, r"wrong boxes; expected float32 \(2, 4\); found float32 \(1, 4\)"),
        (BOXES, SCORES[:, None], None, r"wrong scores; expected float32 \(2,\)"),
        (BOXES, SCORES, LANDMARKS.reshape(2, 10), r"wrong landmarks; expected float32 \(2, 5, 2\)"),
        (BOXES[:, [2, 3, 0, 1]], SCORES, None, "impossible boxes; expected x0 <= x1"),
        (np.full((2, 4), np.nan, np.float32), SCORES, None, "impossible boxes"),
    ],
)
def test_malformed_arrays_are_refused(boxes, scores, landmarks, message):
    with pytest.raises(InputSpecError, match=message):
        FaceDetections(boxes, scores, landmarks)


def test_shifting_moves_boxes_and_landmarks():
    faces = FaceDetections(BOXES, SCORES, LANDMARKS).shifted(100, 3)
    np.testing.assert_array_equal(faces.boxes, BOXES + np.float32([100, 3, 100, 3]))
    np.testing.assert_array_equal(faces.landmarks, LANDMARKS + np.float32([100, 3]))
    assert faces.boxes.dtype == faces.landmarks.dtype == np.float32
    assert FaceDetections(BOXES, SCORES).shifted(1, 1).landmarks is None


def test_joining_keeps_landmarks_only_where_all_parts_have_them():
    faces = FaceDetections(BOXES, SCORES, LANDMARKS)
    np.testing.assert_array_equal(join([faces, FaceDetections.empty(), faces]).landmarks, np.tile(LANDMARKS, (2, 1, 1)))
    bare = join([faces, FaceDetections(BOXES, SCORES)])
    assert bare.landmarks is None
    assert len(bare) == 4
    assert len(join([])) == len(join([FaceDetections.empty()])) == 0
