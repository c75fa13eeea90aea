"""The way of a frame into the network's input, and of boxes back."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsrfer.core.errors import InputSpecError
from fsrfer.runtime.detection.letterbox import Letterbox, PixelFormat, size_of_frame

SIZES = st.tuples(st.integers(1, 7680), st.integers(1, 7680))
BGR = PixelFormat(mean=(104.0, 117.0, 127.0))


@given(SIZES, st.integers(32, 2048), st.floats(0.5, 4))
def test_input_holds_the_frame_within_the_limits(size, max_side, max_enlargement):
    box = Letterbox.within(size, max_side=max_side, max_enlargement=max_enlargement)
    assert max(box.scaled_size) <= max_side
    assert all(side % 32 == 0 for side in box.input_size)
    assert all(0 <= room - side < 32 for room, side in zip(box.input_size, box.scaled_size, strict=True))
    assert all(new <= max(1, round(old * max_enlargement)) for new, old in zip(box.scaled_size, size, strict=True))


@given(SIZES, st.tuples(st.integers(1, 40), st.integers(1, 40)))
def test_frame_fits_into_an_input_of_given_size(size, cells):
    given_size = (cells[0] * 32, cells[1] * 32)
    box = Letterbox.into(size, given_size, max_enlargement=2.0)
    assert box.input_size == given_size
    assert all(1 <= side <= room for side, room in zip(box.scaled_size, given_size, strict=True))


@given(SIZES, st.integers(32, 2048), st.floats(0, 1), st.floats(0, 1))
def test_mapping_back_is_the_inverse_of_scaling(size, max_side, x, y):
    box = Letterbox.within(size, max_side=max_side, max_enlargement=3.0)
    point = np.array([x, y]) * size
    inside = (point * np.divide(box.scaled_size, size)).astype(np.float32)
    np.testing.assert_allclose(box.to_frame(inside), point, rtol=1e-5, atol=1e-2)


@pytest.mark.parametrize("scale", [0.5, 2.0, 3.0])
def test_an_edge_stays_where_it_was_to_a_fraction_of_a_pixel(scale):
    frame = np.zeros((96, 96, 3), np.uint8)
    frame[:, 40:] = 200
    box = Letterbox.within((96, 96), max_side=round(96 * scale), max_enlargement=4.0)
    painted = paint(box, frame, PixelFormat())
    row = painted[0, 10, : box.scaled_size[0]]
    edge = len(row) - row.sum() / 200  # where the step would be, from the area under the blurred step
    mapped = box.to_frame(np.array([edge, 0], np.float32))
    assert mapped[0] == pytest.approx(40, abs=0.05)


def test_painting_turns_to_bgr_subtracts_the_mean_and_clears_what_was_there():
    frame = np.empty((20, 30, 3), np.uint8)
    frame[:] = (10, 20, 30)
    painted = paint(Letterbox((30, 20), (30, 20), (32, 64)), frame, BGR)
    np.testing.assert_array_equal(painted[:, 5, 5], [30 - 104, 20 - 117, 10 - 127])
    assert np.all(painted[:, 20:] == 0)
    assert np.all(painted[:, :, 30:] == 0)


def test_painting_for_a_network_of_rgb_scales_and_pads_with_what_it_calls_black():
    frame = np.empty((20, 30, 3), np.uint8)
    frame[:] = (10, 20, 30)
    pixels = PixelFormat(mean=(127.5, 127.5, 127.5), scale=1 / 128, is_rgb=True, padding=-127.5 / 128)
    painted = paint(Letterbox((30, 20), (30, 20), (32, 64)), frame, pixels)
    np.testing.assert_allclose(painted[:, 5, 5], (np.array([10, 20, 30]) - 127.5) / 128, rtol=1e-6)
    np.testing.assert_allclose(painted[:, 20:], -127.5 / 128)
    np.testing.assert_allclose(painted[:, :, 30:], -127.5 / 128)


@given(
    size=st.tuples(st.integers(1, 3000), st.integers(1, 3000)),
    max_side=st.integers(32, 3000),
    scale=st.floats(0.1, 1.0),
)
def test_a_scale_is_a_factor_of_the_size_that_the_limits_give(size, max_side, scale):
    full = Letterbox.within(size, max_side=max_side, max_enlargement=2.0)
    part = Letterbox.within(size, max_side=max_side, max_enlargement=2.0, scale=scale)
    np.testing.assert_allclose(part.scaled_size, np.maximum(np.multiply(full.scaled_size, scale), 1.0), atol=1.0)
    inside = Letterbox.into(size, (320, 320), max_enlargement=2.0, scale=scale)
    assert inside.input_size == (320, 320)
    assert max(inside.scaled_size) <= max(320 * scale + 0.5, 1)


def test_grey_frame_is_painted_like_the_same_frame_in_colour():
    grey = np.random.default_rng(0).integers(0, 256, (40, 50), dtype=np.uint8)
    box = Letterbox.within((50, 40), max_side=96, max_enlargement=3.0)
    np.testing.assert_array_equal(paint(box, grey, BGR), paint(box, cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB), BGR))


@pytest.mark.parametrize(
    "frame",
    [
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((2, 4, 4, 3), np.uint8),
        np.zeros(4, np.uint8),
    ],
)
def test_what_is_no_picture_is_refused(frame):
    with pytest.raises(InputSpecError, match=r"expected uint8 \(height, width, 3\).*found"):
        size_of_frame(frame)


def paint(box: Letterbox, frame: np.ndarray, pixels: PixelFormat) -> np.ndarray:
    out = np.full((3, box.input_size[1], box.input_size[0]), 1e9, np.float32)
    box.paint(frame, pixels, out)
    return out
