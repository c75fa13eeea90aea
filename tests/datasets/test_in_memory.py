"""A data set in one array."""

from __future__ import annotations

import numpy as np
import pytest

from fsrfer.core.errors import DatasetError
from fsrfer.datasets import InMemoryFaces


def arguments(**changes):
    rng = np.random.default_rng(0)
    return {
        "name": "mine",
        "split": "valid",
        "labels": ("neutral", "happiness"),
        "images": rng.integers(0, 256, (4, 8, 8, 3), dtype=np.uint8),
        "label_indices": np.array([0, 1, 1, 0]),
        "sample_ids": ["a", "b", "c", "d"],
        "soft_labels": np.array([[1, 0], [0.25, 0.75], [0, 1], [1, 0]], np.float32),
        **changes,
    }


def test_samples():
    given = arguments()
    dataset = InMemoryFaces(**given)
    sample = dataset[1]
    np.testing.assert_array_equal(sample.image, given["images"][1])
    np.testing.assert_array_equal(sample.soft_label, [0.25, 0.75])
    assert (sample.label, sample.sample_id, sample.attributes) == (1, "b", {})
    assert [face.sample_id for face in dataset] == ["a", "b", "c", "d"]
    assert InMemoryFaces(**arguments(soft_labels=None))[1].soft_label is None


def test_nothing_can_be_changed_from_outside():
    dataset = InMemoryFaces(**arguments())
    for array in (dataset.images, dataset.label_indices, dataset.soft_labels, dataset[0].image):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


@pytest.mark.parametrize(
    "changes",
    [
        {"images": np.zeros((4, 8, 8, 3), np.uint8)},
        {"label_indices": np.array([0, 1, 1, 1])},
        {"labels": ("neutral", "sadness")},
        {"sample_ids": ["a", "b", "c", "e"]},
        {"sample_ids": ["a", "b", "c\0d", ""]},
        {"soft_labels": None},
        {"split": "test"},
        {"name": "other"},
        {"options": {"variant": 1}},
    ],
)
def test_every_difference_changes_the_identity(changes):
    assert InMemoryFaces(**arguments(**changes)).dataset_id != InMemoryFaces(**arguments()).dataset_id


def test_the_same_bytes_in_another_shape_are_another_data_set():
    images = np.arange(4 * 64, dtype=np.uint8)
    wide = InMemoryFaces(**arguments(images=images.reshape(4, 4, 16)))
    tall = InMemoryFaces(**arguments(images=images.reshape(4, 16, 4)))
    assert wide.dataset_id != tall.dataset_id


def test_the_layout_in_memory_does_not_change_the_identity():
    images = arguments()["images"]
    strided = np.asfortranarray(images)
    assert InMemoryFaces(**arguments(images=strided)).dataset_id == InMemoryFaces(**arguments()).dataset_id


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": np.zeros((0, 8, 8), np.uint8)}, "no usable face"),
        ({"images": np.zeros((4, 8, 8, 4), np.uint8)}, "unusable images"),
        ({"images": np.zeros((4, 8, 8), np.float32)}, "unusable images"),
        ({"label_indices": np.array([0, 1, 1])}, "does not fit together"),
        ({"sample_ids": ["a"]}, "does not fit together"),
        ({"soft_labels": np.ones((3, 2), np.float32)}, "does not fit together"),
        ({"label_indices": np.array([0, 1, 2, 0])}, "label outside its 2 expressions"),
        ({"label_indices": np.array([0, -1, 1, 0])}, "label outside its 2 expressions"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(DatasetError, match=message):
        InMemoryFaces(**arguments(**changes))
