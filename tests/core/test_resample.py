"""Anti-aliased bicubic down-sampling against two other implementations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsrfer.core import bicubic_resize
from fsrfer.core.errors import InputSpecError
from fsrfer.core.resample import resampling_matrix


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@given(st.integers(1, 200), st.integers(1, 200))
def test_rows_of_weights_sum_to_one(source, target):
    matrix = resampling_matrix(source, target)
    assert matrix.shape == (target, source)
    assert matrix.dtype == np.float32
    np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-5)


@given(st.integers(1, 100), st.integers(1, 100))
def test_weights_are_symmetric(source, target):
    matrix = resampling_matrix(source, target)
    np.testing.assert_allclose(matrix, matrix[::-1, ::-1], atol=1e-5)


@given(st.integers(1, 100))
def test_the_same_size_changes_nothing(size):
    np.testing.assert_array_equal(resampling_matrix(size, size), np.eye(size))


def test_cached_weights_cannot_be_spoilt():
    with pytest.raises(ValueError, match="read-only"):
        resampling_matrix(5, 3)[0, 0] = 1


@pytest.mark.parametrize("size", [48, 47, 34, 25, 24, 16, 13, 12, 8, 3, 1])
@pytest.mark.parametrize("shape", [(100, 100, 3), (48, 48, 1), (97, 61, 3)])
def test_it_equals_torch(shape, size):
    torch = pytest.importorskip("torch")
    image = noise(*shape)
    if size > min(shape[:2]):
        pytest.fail("a size of this test would not shrink the image")
    planes = torch.from_numpy(image.transpose(2, 0, 1)[None].astype(np.float32))
    exact = torch.nn.functional.interpolate(planes, (size, size), mode="bicubic", antialias=True)[0].numpy()
    ours = bicubic_resize(image, size).transpose(2, 0, 1)
    assert np.abs(ours - np.clip(exact, 0, 255)).max() <= 0.5 + 2e-3


@pytest.mark.parametrize("size", [48, 25, 16, 12, 8])
def test_it_equals_pillow_to_a_rounding(size):
    image_module = pytest.importorskip("PIL.Image")
    image = noise(100, 100, 3)
    theirs = np.asarray(image_module.fromarray(image).resize((size, size), image_module.Resampling.BICUBIC))
    ours = bicubic_resize(image, size)
    # Pillow rounds and clips to 8 bits between its two passes.
    difference = np.abs(ours.astype(int) - theirs)
    assert difference.max() <= 2
    assert difference.mean() < 0.2


def test_a_pattern_finer_than_the_target_becomes_grey():
    board = (np.indices((48, 48)).sum(axis=0) % 2 * 255).astype(np.uint8)
    inner = bicubic_resize(board, 12)[2:-2, 2:-2]
    assert abs(inner.astype(int) - 127.5).max() <= 1


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 5), st.integers(1, 30), st.integers(1, 30), st.integers(1, 30), st.sampled_from([1, 3]))
def test_a_batch_equals_its_images_one_by_one(count, height, width, size, channels):
    images = noise(count, height, width, channels)
    batch = bicubic_resize(images, size)
    assert batch.shape == (count, size, size, channels)
    single = np.stack([bicubic_resize(image, size) for image in images])
    # The order of summation may differ, and with it the rounding of a tie.
    assert np.abs(batch.astype(int) - single).max() <= 1
    grey = bicubic_resize(images[0, ..., 0], size)
    assert np.abs(grey.astype(int) - batch[0, ..., 0]).max() <= 1


def test_an_empty_batch_stays_empty():
    assert bicubic_resize(np.zeros((0, 48, 48, 3), np.uint8), 12).shape == (0, 12, 12, 3)


@pytest.mark.parametrize(
    "images",
    [
        noise(5, 48, 48),  # a batch of grey images, whose rows would be taken for channels
        noise(48, 48, 4),
        noise(48),
        noise(48, 0, 3),
        noise(48, 48, 3).astype(np.float32),
    ],
)
def test_unusable_images_are_refused(images):
    with pytest.raises(InputSpecError, match="images cannot be resized"):
        bicubic_resize(images, 24)


@pytest.mark.parametrize("size", [0, -3])
def test_impossible_sizes_are_refused(size):
    with pytest.raises(InputSpecError, match="impossible size"):
        bicubic_resize(noise(4, 4, 3), size)
