"""Faces that are in two data sets at once."""

from __future__ import annotations

import numpy as np

from fsrfer.datasets import open_dataset, pixel_hash, pixel_hashes


def test_a_hash_tells_pictures_apart():
    picture = np.arange(12, dtype=np.uint8).reshape(3, 4)
    assert pixel_hash(picture) == pixel_hash(picture.copy())
    assert pixel_hash(picture) == pixel_hash(np.asfortranarray(picture))
    assert pixel_hash(picture) != pixel_hash(picture.reshape(4, 3))
    assert pixel_hash(picture) != pixel_hash(np.flipud(picture))


def test_splits_of_drawn_faces_share_nothing():
    train, test = (open_dataset("procedural?count=40", split) for split in ("train", "test"))
    assert len(pixel_hashes(train)) == 40
    assert not pixel_hashes(train) & pixel_hashes(test)
