"""Which detection is which track."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsrfer.core.errors import UsageError
from fsrfer.runtime.detection.nms import intersection_over_union
from fsrfer.runtime.tracking import AssociationConfig
from fsrfer.runtime.tracking.association import associate

CONFIG = AssociationConfig()


def square(x: float, y: float = 50.0, size: float = 10.0) -> list[float]:
    return [x - size / 2, y - size / 2, x + size / 2, y + size / 2]


def boxes(*rows) -> np.ndarray:
    return np.array(rows, np.float32).reshape(-1, 4)


def pairs_of(expected, spread, found, config=CONFIG) -> set[tuple[int, int]]:
    rows, columns = associate(expected, np.array(spread, np.float64), found, config)
    assert len(rows) == len(columns)
    return set(zip(rows.tolist(), columns.tolist(), strict=True))


@st.composite
def box_sets(draw):
    def some():
        count = draw(st.integers(0, 6))
        # Sixty-fourths of a pixel: no box is so thin that its area is lost in float32.
        values = draw(st.lists(st.integers(0, 60 * 64), min_size=4 * count, max_size=4 * count))
        corners = (np.array(values, np.float32) / 64).reshape(count, 4)
        corners[:, 2:] += corners[:, :2]
        return corners

    return some(), some()


def iou(a, b) -> float:
    a, b = a.astype(np.float64), b.astype(np.float64)
    common = np.prod(np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0.0))
    union = np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - common
    return float(common / union) if union > 0 else 0.0


@settings(deadline=None)
@given(box_sets())
def test_iou_of_all_pairs(drawn):
    a, b = drawn
    matrix = intersection_over_union(a, b)
    assert matrix.shape == (len(a), len(b))
    assert matrix.dtype == np.float32
    for row, column in np.ndindex(*matrix.shape):
        assert matrix[row, column] == pytest.approx(iou(a[row], b[column]), abs=1e-3)


def test_a_tiny_face_that_moved_by_more_than_its_size_is_found_again():
    expected, found = boxes(square(100, size=8)), boxes(square(112, size=8))
    assert intersection_over_union(expected, found).max() == 0.0
    assert pairs_of(expected, [4.0], found) == {(0, 0)}  # 0.25 s after it was first seen


def test_a_certain_track_accepts_less_than_an_uncertain_one():
    expected, found = boxes(square(100)), boxes(square(118))
    assert pairs_of(expected, [8.0], found) == {(0, 0)}
    assert pairs_of(expected, [0.5], found) == set()


def test_where_two_want_a_detection_the_certain_one_has_it():
    expected, found = boxes(square(96), square(100)), boxes(square(98))
    assert pairs_of(expected, [10.0, 1.0], found) == {(1, 0)}
    assert pairs_of(expected, [1.0, 10.0], found) == {(0, 0)}


def test_a_face_of_another_size_is_another_face():
    expected = boxes(square(100, size=10))
    assert pairs_of(expected, [2.0], boxes(square(100, size=12))) == {(0, 0)}
    assert pairs_of(expected, [2.0], boxes(square(100, size=24))) == set()


def test_more_others_make_it_stricter():
    expected, found = boxes(square(100)), boxes(square(118))
    crowded = AssociationConfig(others=0.5)
    assert pairs_of(expected, [8.0], found, crowded) == set()


def test_a_hopelessly_uncertain_track_matches_nothing():
    assert pairs_of(boxes(square(100)), [1e9], boxes(square(100))) == set()


@pytest.mark.parametrize(("tracks", "faces"), [(0, 0), (0, 3), (3, 0)])
def test_nobody_to_match(tracks, faces):
    assert (
        pairs_of(boxes(*[square(20.0 * i) for i in range(tracks)]), [1.0] * tracks, boxes(*[square(5)] * faces))
        == set()
    )


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40))
def test_the_order_of_detections_does_not_matter(seed, count):
    rng = np.random.default_rng(seed)
    found = boxes(*[square(*place, size) for *place, size in rng.uniform((0, 0, 6), (200, 200, 12), (count, 3))])
    expected, spread = found + np.float32(1.5), rng.uniform(1.0, 9.0, count)
    order = rng.permutation(count)
    straight = pairs_of(expected, spread, found)
    shuffled = pairs_of(expected, spread, found[order])
    assert straight == {(row, int(order[column])) for row, column in shuffled}


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_crowd_that_moves_a_little_is_matched_face_to_face(seed):
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(np.arange(20) * 25.0, np.arange(10) * 25.0), axis=-1).reshape(-1, 2) + 50
    expected = boxes(*[square(x, y) for x, y in grid])
    order = rng.permutation(len(grid))
    found = (expected + np.tile(rng.normal(0, 1, (len(grid), 2)), 2).astype(np.float32))[order]
    rows, columns = associate(expected, np.full(len(grid), 2.0), found, CONFIG)
    assert len(rows) == len(grid)
    np.testing.assert_array_equal(order[columns], rows)


@pytest.mark.parametrize("field", ["others", "size_tolerance"])
@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_impossible_association_is_refused(field, value):
    with pytest.raises(UsageError, match="association"):
        AssociationConfig(**{field: value})
