"""Several looks at one frame."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsrfer.runtime.detection import FaceDetections
from fsrfer.runtime.detection.fusion import fuse_looks
from fsrfer.runtime.detection.nms import suppress_overlaps


def faces(*rows: tuple[float, float, float, float, float], has_landmarks: bool = True) -> FaceDetections:
    """Faces of x0, y0, x1, y1, score; every landmark is the upper left corner."""
    table = np.array(rows, np.float32).reshape(-1, 5)
    landmarks = np.repeat(table[:, None, :2], 5, axis=1) if has_landmarks else None
    return FaceDetections(table[:, :4], table[:, 4], landmarks)


def test_looks_that_agree_keep_their_score_and_meet_in_the_middle():
    fused = fuse_looks([faces((10, 10, 30, 30, 0.7)), faces((12, 10, 32, 30, 0.7))], 0.3)
    np.testing.assert_allclose(fused.scores, [0.7], rtol=1e-6)
    np.testing.assert_allclose(fused.boxes, [[11, 10, 31, 30]], rtol=1e-6)
    np.testing.assert_allclose(fused.landmarks[0, 0], [11, 10], rtol=1e-6)


def test_what_one_of_two_looks_sees_scores_lower():
    fused = fuse_looks([faces((10, 10, 30, 30, 0.84)), faces()], 0.3)
    np.testing.assert_allclose(fused.scores, [1 - np.sqrt(0.16)], rtol=1e-6)
    np.testing.assert_allclose(fused.boxes, [[10, 10, 30, 30]])


def test_the_surer_look_weighs_more():
    fused = fuse_looks([faces((0, 0, 20, 20, 0.9)), faces((3, 0, 23, 20, 0.3))], 0.3)
    assert fused.boxes[0, 0] == pytest.approx(0.75)


def test_neighbours_stay_apart_and_a_box_vouches_for_one_face_only():
    left, right = (0, 0, 20, 20, 0.8), (14, 0, 34, 20, 0.6)
    between = (6, 0, 26, 20, 0.5)  # overlaps both, the left one by more
    fused = fuse_looks([faces(left, right), faces(between)], 0.3)
    assert len(fused) == 2
    np.testing.assert_allclose(fused.scores[1], 1 - np.sqrt(0.4), rtol=1e-6)  # the right one has no second witness


def test_best_score_comes_first():
    looks = [faces((0, 0, 20, 20, 0.9), (50, 50, 70, 70, 0.8)), faces((50, 50, 70, 70, 0.8))]
    fused = fuse_looks(looks, 0.3)
    np.testing.assert_allclose(fused.boxes[0], [50, 50, 70, 70])
    assert fused.scores[0] > fused.scores[1]


def test_landmarks_only_where_all_looks_have_them():
    assert fuse_looks([faces((0, 0, 9, 9, 0.5)), faces((0, 0, 9, 9, 0.5), has_landmarks=False)], 0.3).landmarks is None


def test_nothing_seen_is_nothing():
    fused = fuse_looks([faces(), faces(), faces()], 0.3)
    assert len(fused) == 0
    assert fused.landmarks.shape == (0, 5, 2)


def test_a_score_of_zero_divides_by_nothing():
    fused = fuse_looks([faces((0, 0, 9, 9, 0.0)), faces((0, 0, 9, 9, 0.0))], 0.3)
    assert np.isfinite(fused.boxes).all()
    np.testing.assert_array_equal(fused.scores, [0.0])


boxes = st.tuples(st.integers(0, 80), st.integers(0, 80), st.integers(4, 40), st.integers(4, 40), st.floats(0.01, 1))


@given(st.lists(st.lists(boxes, max_size=8), min_size=1, max_size=4))
def test_scores_and_boxes_stay_within_what_the_looks_said(drawn):
    looks = []
    for rows in drawn:
        look = faces(*[(x, y, x + w, y + h, score) for x, y, w, h, score in rows])
        looks.append(look.select(suppress_overlaps(look.boxes, look.scores, 0.3)))
    fused = fuse_looks(looks, 0.3)
    best = max((float(look.scores.max()) for look in looks if len(look)), default=0.0)
    assert len(fused) <= sum(map(len, looks))
    assert np.all((fused.scores >= 0) & (fused.scores <= best + 1e-6))
    assert np.all(np.diff(fused.scores) <= 0)
    assert np.all(fused.boxes[:, 2:] >= fused.boxes[:, :2])
