"""Square crops out of a frame."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsrfer.core import crop_faces
from fsrfer.core.crop import square_boxes
from fsrfer.core.errors import InputSpecError

FRAME = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)


@st.composite
def touching_boxes(draw):
    """Boxes with a centre inside the frame."""
    x, y = draw(st.floats(0.5, 59.5, width=32)), draw(st.floats(0.5, 39.5, width=32))
    w, h = draw(st.floats(0, 100, width=32)), draw(st.floats(0, 100, width=32))
    return [x - w / 2, y - h / 2, x + w / 2, y + h / 2]


@given(st.lists(touching_boxes(), max_size=4), st.floats(-0.4, 2.0))
def test_crops_are_square_and_as_large_as_the_widened_box(boxes, margin):
    array = np.array(boxes, np.float32).reshape(-1, 4)
    crops = crop_faces(FRAME, array, margin)
    assert len(crops) == len(boxes)
    for crop, (x0, y0, x1, y1) in zip(crops, array.astype(float), strict=True):
        side = max(1.0, max(x1 - x0, y1 - y0) * (1 + 2 * margin))
        assert crop.shape[0] == crop.shape[1]
        assert crop.shape[2] == 3
        assert abs(crop.shape[0] - side) <= 0.5 + 1e-6


@given(touching_boxes(), st.floats(0, 1))
def test_a_crop_equals_the_same_window_of_a_padded_frame(box, margin):
    array = np.array([box], np.float32)
    pad = 320
    padded = np.pad(FRAME, ((pad, pad), (pad, pad), (0, 0)), mode="edge")
    x0, y0, x1, y1 = square_boxes(array, margin)[0] + pad
    np.testing.assert_array_equal(crop_faces(FRAME, array, margin)[0], padded[y0:y1, x0:x1])


@given(touching_boxes(), st.floats(0, 1))
def test_the_square_keeps_the_centre_to_half_a_pixel(box, margin):
    x0, y0, x1, y1 = square_boxes(np.array([box], np.float32), margin)[0]
    assert abs((x0 + x1) / 2 - (box[0] + box[2]) / 2) <= 0.51
    assert abs((y0 + y1) / 2 - (box[1] + box[3]) / 2) <= 0.51


def test_a_crop_inside_the_frame_is_a_view():
    crop = crop_faces(FRAME, np.array([[10, 10, 20, 20]], np.float32), 0.1)[0]
    assert crop.shape == (12, 12, 3)
    assert np.shares_memory(crop, FRAME)


def test_grey_frames():
    crop = crop_faces(FRAME[..., 0], np.array([[-3, -3, 7, 7]], np.float32), 0.0)[0]
    assert crop.shape == (10, 10)
    np.testing.assert_array_equal(crop[3:, 3:], FRAME[:7, :7, 0])
    assert (crop[:4, :4] == FRAME[0, 0, 0]).all()


@pytest.mark.parametrize("box", [(60, 0, 70, 10), (-10, 0, 0, 10), (0, 40, 10, 50), (0, -20, 10, -1)])
def test_a_box_that_does_not_touch_the_frame_is_refused(box):
    with pytest.raises(InputSpecError, match="box outside the frame"):
        crop_faces(FRAME, np.array([box], np.float32), 0.0)


@pytest.mark.parametrize(
    "box", [(np.nan, 0, 5, 5), (0, 0, np.inf, 5), (-np.inf, 0, np.inf, 5), (0, 0, 3e38, 1), (0, 0, 20000, 5)]
)
def test_a_box_that_is_no_box_is_refused_by_position(box):
    with pytest.raises(InputSpecError, match="box 1 cannot be cropped"):
        crop_faces(FRAME, np.array([(0, 0, 5, 5), box], np.float32), 0.0)


@pytest.mark.parametrize("shape", [(4,), (2, 5), (1, 2, 4)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(InputSpecError, match="boxes cannot be cropped"):
        square_boxes(np.zeros(shape, np.float32), 0.0)
