"""Faces that are in two data sets at once.

Public sets repeat faces between their splits. What a model was calibrated on must not be what it is judged on.
"""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

from .sample import FaceDataset


def pixel_hash(image: npt.NDArray[np.uint8]) -> bytes:
    """Return what tells a picture from all others: a hash of its shape and pixels.

    Args:
        image: uint8 (height, width) or (height, width, 3).
    """
    return hashlib.blake2b(
        np.ascontiguousarray(image).tobytes(), digest_size=16, key=repr(image.shape).encode()
    ).digest()


def pixel_hashes(dataset: FaceDataset) -> frozenset[bytes]:
    """Return the hashes of all faces of a data set; every face is decoded once."""
    return frozenset(pixel_hash(dataset[index].image) for index in range(len(dataset)))
