"""Random changes of faces."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsrfer.training.augmentation import augment_face
from fsrfer.training.face_variation import AugmentationConfig

NONE = AugmentationConfig(flip=0, shift=0, scale=0, rotation_deg=0, brightness=0, contrast=0, erase=0, erase_side=0.3)


def only(**changes) -> AugmentationConfig:
    return AugmentationConfig(**{**vars(NONE), **changes})


def face(side: int = 24, channels: int = 1) -> np.ndarray:
    shape = (side, side) if channels == 1 else (side, side, 3)
    return np.random.default_rng(side).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
def test_nothing_changes_nothing(channels):
    image = face(channels=channels)
    np.testing.assert_array_equal(augment_face(image, 24, NONE, np.random.default_rng(0)), image)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_flip_is_the_exact_mirror(channels):
    image = face(channels=channels)
    flipped = augment_face(image, 24, only(flip=1.0), np.random.default_rng(0))
    np.testing.assert_array_equal(flipped, image[:, ::-1])


def test_shifts_stay_within_their_bound_and_repeat_the_border():
    image = np.zeros((20, 20), np.uint8)
    image[10, 10] = 255
    for seed in range(20):
        moved = augment_face(image, 20, only(shift=0.1), np.random.default_rng(seed))
        row, column = np.unravel_index(moved.argmax(), moved.shape)
        assert abs(row - 10) <= 2
        assert abs(column - 10) <= 2


def test_a_larger_face_is_brought_to_the_input_about_its_centre():
    image = np.zeros((48, 48), np.uint8)
    image[:, 24:] = 200
    small = augment_face(image, 24, NONE, np.random.default_rng(0))
    assert small[:, :11].max() == 0
    assert small[:, 13:].min() == 200


def test_an_erased_part_has_the_colour_of_the_face_and_its_size_is_bounded():
    image = face(32)
    for seed in range(20):
        covered = augment_face(image, 32, only(erase=1.0, erase_side=0.25), np.random.default_rng(seed))
        changed = np.argwhere(covered != image)
        height, width = changed.max(axis=0) - changed.min(axis=0) + 1
        assert 1 <= height <= 8
        assert 1 <= width <= 8
        assert len(np.unique(covered[tuple(changed.T)])) == 1


def test_brightness_is_clipped_and_not_folded():
    dark = augment_face(np.full((8, 8), 3, np.uint8), 8, only(brightness=0.5), np.random.default_rng(1))
    bright = augment_face(np.full((8, 8), 252, np.uint8), 8, only(brightness=0.5), np.random.default_rng(1))
    assert len(np.unique(dark)) == len(np.unique(bright)) == 1
    assert int(bright[0, 0]) >= int(dark[0, 0])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(5, 90), st.sampled_from([8, 24, 48]), st.sampled_from([1, 3]))
def test_any_face_becomes_an_input(seed, side, size, channels):
    result = augment_face(face(side, channels), size, AugmentationConfig(), np.random.default_rng(seed))
    assert result.shape == ((size, size) if channels == 1 else (size, size, 3))
    assert result.dtype == np.uint8


def test_every_face_takes_the_same_number_of_draws():
    """Otherwise one face's luck would change all faces after it."""
    after = set()
    for changes in ({"erase": 1.0}, {"erase": 0.0}, {"flip": 1.0}):
        rng = np.random.default_rng(5)
        augment_face(face(), 24, only(**changes), rng)
        after.add(float(rng.random()))
    assert len(after) == 1
