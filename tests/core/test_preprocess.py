"""The one way from face crops to the model's input."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fsrfer.core import ColorMode, EnlargeFilter, PreprocessSpec, preprocess
from fsrfer.core.errors import InputSpecError

_SHAPES = st.tuples(st.integers(1, 70), st.integers(1, 70)) | st.tuples(
    st.integers(1, 70), st.integers(1, 70), st.just(3)
)
_SPECS = st.builds(
    PreprocessSpec,
    height=st.integers(1, 60),
    width=st.integers(1, 60),
    color=st.sampled_from(ColorMode),
    enlarge=st.sampled_from(EnlargeFilter),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(_SHAPES, max_size=4), _SPECS, st.integers(0, 255))
def test_any_crops_become_one_batch(shapes, spec, level):
    batch, sizes = preprocess([np.full(shape, level, np.uint8) for shape in shapes], spec)
    assert batch.shape == (len(shapes), spec.channels, spec.height, spec.width)
    assert batch.dtype == np.uint8
    assert sizes.dtype == np.float32
    np.testing.assert_allclose(sizes, [np.sqrt(shape[0] * shape[1]) for shape in shapes], rtol=1e-6)
    # A face without structure keeps its level, whatever it is resized by.
    assert abs(batch.astype(int) - level).max(initial=0) <= 1


@given(hnp.arrays(np.uint8, (9, 9, 3)))
def test_a_colour_face_of_the_right_size_is_only_transposed(face):
    batch, _ = preprocess([face], PreprocessSpec(9, 9))
    np.testing.assert_array_equal(batch[0].transpose(1, 2, 0), face)


@given(hnp.arrays(np.uint8, (9, 9)))
def test_a_grey_face_is_repeated_in_every_channel(face):
    rgb, _ = preprocess([face], PreprocessSpec(9, 9))
    gray, _ = preprocess([face], PreprocessSpec(9, 9, ColorMode.GRAY))
    np.testing.assert_array_equal(rgb[0], np.stack([face] * 3))
    np.testing.assert_array_equal(gray[0, 0], face)


def test_grey_is_luma_of_rgb_and_not_of_bgr():
    red, blue = np.zeros((2, 4, 4, 3), np.uint8)
    red[..., 0] = blue[..., 2] = 255
    batch, _ = preprocess([red, blue], PreprocessSpec(4, 4, ColorMode.GRAY))
    # BT.601: 0.299 of red, 0.114 of blue.
    np.testing.assert_array_equal(batch[:, 0, 0, 0], [76, 29])


@pytest.mark.parametrize(
    ("name", "flag"),
    [
        (EnlargeFilter.BICUBIC, cv2.INTER_CUBIC),
        (EnlargeFilter.BILINEAR, cv2.INTER_LINEAR),
        (EnlargeFilter.NEAREST, cv2.INTER_NEAREST),
    ],
)
def test_small_faces_are_enlarged_by_the_chosen_filter(name, flag):
    face = np.random.default_rng(0).integers(0, 256, (7, 7, 3), dtype=np.uint8)
    batch, _ = preprocess([face], PreprocessSpec(20, 20, enlarge=name))
    np.testing.assert_array_equal(batch[0].transpose(1, 2, 0), cv2.resize(face, (20, 20), interpolation=flag))


@pytest.mark.parametrize("name", EnlargeFilter)
def test_large_faces_are_averaged_whatever_enlarges_small_ones(name):
    # A one-pixel checkerboard: without averaging, a quarter of the pixels would give black, white or stripes.
    board = (np.indices((48, 48)).sum(axis=0) % 2 * 255).astype(np.uint8)
    batch, sizes = preprocess([board], PreprocessSpec(12, 12, ColorMode.GRAY, name))
    assert set(np.unique(batch)) <= {127, 128}
    assert sizes[0] == 48


def test_views_of_a_frame_are_taken_as_they_are():
    frame = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    view = frame[5:25, 7:27]
    whole, _ = preprocess([view.copy()], PreprocessSpec(8, 8))
    strided, _ = preprocess([view], PreprocessSpec(8, 8))
    np.testing.assert_array_equal(whole, strided)


@pytest.mark.parametrize(
    "face",
    [
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 1), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros(4, np.uint8),
    ],
)
def test_unusable_crops_are_named_by_position(face):
    with pytest.raises(InputSpecError, match="face 1 cannot be preprocessed"):
        preprocess([np.zeros((4, 4), np.uint8), face], PreprocessSpec())


@pytest.mark.parametrize("options", [{"height": 0}, {"width": -1}, {"crop_margin": -0.5}, {"crop_margin": 2.1}])
def test_impossible_specifications_are_refused(options):
    with pytest.raises(InputSpecError, match="impossible"):
        PreprocessSpec(**options)
