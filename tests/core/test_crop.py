"""Square crops out of a frame."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsrfer.core import crop_faces
from fsrfer.core.crop import crop_upright_faces, square_boxes
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


def eyes_at(tilt_deg: float, box: tuple[float, ...], distance: float = 0.45) -> np.ndarray:
    """Landmarks of a face whose line of eyes is tilted, float32 (1, 5, 2)."""
    center = np.array([box[0] + box[2], box[1] + box[3]]) / 2
    half = distance * max(box[2] - box[0], box[3] - box[1]) / 2
    along = half * np.array([np.cos(np.radians(tilt_deg)), np.sin(np.radians(tilt_deg))])
    return np.array([[center - along, center + along, center, center, center]], np.float32)


@given(touching_boxes(), st.floats(-11.5, 11.5), st.floats(0, 1))
def test_a_face_that_is_hardly_tilted_is_cut_as_ever(box, tilt, margin):
    array = np.array([box], np.float32)
    upright = crop_upright_faces(FRAME, array, eyes_at(tilt, box), margin)
    np.testing.assert_array_equal(upright[0], crop_faces(FRAME, array, margin)[0])


@given(touching_boxes(), st.floats(-180, 180), st.floats(0, 1))
def test_a_turned_crop_is_as_large_as_the_other(box, tilt, margin):
    array = np.array([box], np.float32)
    upright = crop_upright_faces(FRAME, array, eyes_at(tilt, box), margin, min_side_px=1)
    assert upright[0].shape == crop_faces(FRAME, array, margin)[0].shape
    assert upright[0].dtype == np.uint8


@pytest.mark.parametrize("tilt", [-50, -15, 15, 30, 80])
@pytest.mark.parametrize("shift", [0.0, 0.5])
def test_a_tilted_line_is_level_after_turning(tilt, shift):
    frame = np.zeros((120, 120), np.uint8)
    box = (30.0 + shift, 40.0, 80.0 + shift, 90.0)
    left, right = eyes_at(tilt, box)[0, :2] - 0.5  # pixel centres
    for part in np.linspace(0, 1, 200):
        x, y = np.rint(left + part * (right - left)).astype(int)
        frame[y, x] = 255
    crop = crop_upright_faces(frame, np.array([box], np.float32), eyes_at(tilt, box), 0.0)[0]
    rows = np.arange(50) @ (crop > 60) / np.maximum((crop > 60).sum(axis=0), 1)
    drawn = np.flatnonzero((crop > 60).any(axis=0))
    assert drawn[0] == pytest.approx(25 - 0.225 * 50, abs=2)
    assert drawn[-1] == pytest.approx(24 + 0.225 * 50, abs=2)
    assert np.abs(rows[drawn] - 24.5).max() < 1.3


def test_small_faces_profiles_and_landmarks_that_are_none_are_cut_as_ever():
    box = (10.0, 5.0, 30.0, 25.0)
    array = np.array([box], np.float32)
    plain = crop_faces(FRAME, array, 0.0)[0]
    turned = crop_upright_faces(FRAME, array, eyes_at(40, box), 0.0, min_side_px=20)[0]
    assert not np.array_equal(turned, plain)
    for landmarks, min_side_px in [
        (eyes_at(40, box), 21),
        (eyes_at(40, box, distance=0.1), 0),
        (np.full((1, 5, 2), np.nan, np.float32), 0),
        (np.full((1, 5, 2), np.inf, np.float32), 0),
    ]:
        crop = crop_upright_faces(FRAME, array, landmarks, 0.0, min_side_px=min_side_px)[0]
        np.testing.assert_array_equal(crop, plain)


def test_a_turned_face_at_the_border_repeats_it():
    frame = np.full((40, 60, 3), 200, np.uint8)
    box = (-10.0, -10.0, 14.0, 14.0)
    crop = crop_upright_faces(frame, np.array([box], np.float32), eyes_at(45, box), 0.2)[0]
    assert crop.shape == (34, 34, 3)
    assert (crop == 200).all()


def test_no_faces_are_no_crops():
    assert crop_upright_faces(FRAME, np.zeros((0, 4), np.float32), np.zeros((0, 5, 2), np.float32), 0.1) == []


def test_landmarks_of_other_faces_are_refused():
    with pytest.raises(InputSpecError, match=r"wrong landmarks; expected shape \(1, 5, 2\)"):
        crop_upright_faces(FRAME, np.array([(0, 0, 9, 9)], np.float32), np.zeros((2, 5, 2), np.float32), 0.1)
