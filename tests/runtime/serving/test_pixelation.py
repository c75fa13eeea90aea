"""What is hidden must depend on nothing but the means of a few cells."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsrfer.runtime.serving.pixelation import CELLS, pixelate_faces


def picture(seed=0, height=90, width=120):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def boxes_of(*boxes):
    return np.array(boxes, np.float32).reshape(-1, 4)


def cells_of(box, margin, height, width):
    """The region of a box and the corners of its cells, worked out anew."""
    around = margin * max(box[2] - box[0], box[3] - box[1])
    x0, y0 = max(int(np.floor(box[0] - around)), 0), max(int(np.floor(box[1] - around)), 0)
    x1, y1 = min(int(np.ceil(box[2] + around)), width), min(int(np.ceil(box[3] + around)), height)
    side = -(-max(y1 - y0, x1 - x0) // CELLS)
    return [
        (slice(y, min(y + side, y1)), slice(x, min(x + side, x1)))
        for y in range(y0, y1, side)
        for x in range(x0, x1, side)
    ]


box_inside = st.tuples(st.floats(0, 100), st.floats(0, 70), st.floats(4, 60), st.floats(4, 60)).map(
    lambda at: np.array([at[0], at[1], at[0] + at[2], at[1] + at[3]], np.float32)
)


@settings(max_examples=60, deadline=None)
@given(box=box_inside, seed=st.integers(0, 2**32 - 1))
def test_no_detail_inside_a_box_reaches_the_output(box, seed):
    original = picture()
    shuffled = original.copy()
    rng = np.random.default_rng(seed)
    cells = cells_of(box, 0.25, 90, 120)
    for cell in cells:  # the same pixels of each cell at other places: its mean stays
        pixels = shuffled[cell].reshape(-1, 3)
        shuffled[cell] = rng.permutation(pixels).reshape(shuffled[cell].shape)
    hidden = pixelate_faces(original, [box])
    np.testing.assert_array_equal(hidden, pixelate_faces(shuffled, [box]))
    for cell in cells:
        assert len(np.unique(hidden[cell].reshape(-1, 3), axis=0)) == 1
    assert len(cells) <= CELLS**2


@settings(max_examples=60, deadline=None)
@given(boxes=st.lists(box_inside, min_size=1, max_size=5))
def test_boxes_that_overlap_hide_each_other_too(boxes):
    hidden = pixelate_faces(picture(), boxes)
    for box in boxes:
        x0, y0, x1, y1 = (round(float(value)) for value in box)
        inside = hidden[y0:y1, x0:x1].reshape(-1, 3)
        assert len(np.unique(inside, axis=0)) <= len(boxes) * CELLS**2


def test_what_is_around_a_face_is_hidden_and_the_rest_is_not():
    original = picture()
    hidden = pixelate_faces(original, boxes_of([40, 30, 60, 50]))
    changed = np.flatnonzero((hidden != original).any(axis=(0, 2)))
    assert (changed.min(), changed.max()) == (35, 64)
    np.testing.assert_array_equal(hidden[:25], original[:25])


def test_the_original_is_left_alone():
    original = picture()
    kept = original.copy()
    pixelate_faces(original, boxes_of([0, 0, 50, 50]))
    np.testing.assert_array_equal(original, kept)


@pytest.mark.parametrize("box", [[-50, -50, 10, 10], [110, 80, 500, 500], [200, 200, 300, 300], [-9, -9, -5, -5]])
def test_boxes_beyond_the_picture(box):
    assert pixelate_faces(picture(), boxes_of(box)).shape == (90, 120, 3)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_box_that_is_no_box_hides_everything(value):
    hidden = pixelate_faces(picture(), boxes_of([10, 10, value, 40]))
    assert len(np.unique(hidden.reshape(-1, 3), axis=0)) <= CELLS**2
