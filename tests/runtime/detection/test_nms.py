"""Properties of non-maximum suppression."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fsrfer.runtime.detection.nms import intersection_over_union, suppress_overlaps


@st.composite
def boxes_and_scores(draw):
    count = draw(st.integers(0, 30))
    corners = draw(hnp.arrays(np.float32, (count, 2), elements=st.floats(0, 100, width=32)))
    sizes = draw(hnp.arrays(np.float32, (count, 2), elements=st.floats(1, 40, width=32)))
    scores = draw(hnp.arrays(np.float32, count, elements=st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])))
    return np.hstack([corners, corners + sizes]), scores


def iou(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a.astype(np.float64), b.astype(np.float64)
    common = np.prod(np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0.0))
    return common / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - common)


@given(boxes_and_scores(), st.sampled_from([0.1, 0.3, 0.5, 0.9]))
def test_kept_boxes_are_apart_and_every_dropped_one_has_a_better_neighbour(drawn, max_iou):
    boxes, scores = drawn
    kept = suppress_overlaps(boxes, scores, max_iou)
    for position, one in enumerate(kept):
        assert all(iou(boxes[one], boxes[other]) <= max_iou + 1e-4 for other in kept[:position])
    for dropped in set(range(len(boxes))) - set(kept.tolist()):
        covering = [one for one in kept if iou(boxes[one], boxes[dropped]) > max_iou - 1e-4]
        assert any(scores[one] >= scores[dropped] for one in covering)


@given(boxes_and_scores())
def test_result_is_sorted_by_score_without_repeats_and_a_second_pass_keeps_all(drawn):
    boxes, scores = drawn
    kept = suppress_overlaps(boxes, scores, 0.4)
    assert len(set(kept.tolist())) == len(kept)
    assert np.all(np.diff(scores[kept]) <= 0)
    again = suppress_overlaps(boxes[kept], scores[kept], 0.4)
    np.testing.assert_array_equal(again, np.arange(len(kept)))


def test_equal_scores_keep_their_order_and_a_score_of_zero_is_not_lost():
    boxes = np.array([[0, 0, 10, 10], [50, 0, 60, 10], [0, 1, 10, 11]], np.float32)
    assert suppress_overlaps(boxes, np.zeros(3, np.float32), 0.5).tolist() == [0, 1]


def test_boxes_are_not_changed():
    boxes = np.array([[5, 5, 10, 10], [5, 5, 11, 11]], np.float32)
    before = boxes.copy()
    suppress_overlaps(boxes, np.array([0.5, 0.6], np.float32), 0.5)
    np.testing.assert_array_equal(boxes, before)


def test_overlap_of_every_pair():
    a = np.array([[0, 0, 10, 10], [0, 0, 0, 0]], np.float32)
    b = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 30, 30]], np.float32)
    np.testing.assert_allclose(intersection_over_union(a, b), [[1, 1 / 3, 0], [0, 0, 0]], rtol=1e-6)
    assert intersection_over_union(a[:0], b).shape == (0, 3)
