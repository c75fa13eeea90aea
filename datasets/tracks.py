"""Faces of a data set as a classifier meets them: small, spoilt or not, preprocessed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt

from ..core.preprocess import PreprocessSpec, preprocess
from .degradation import shrink
from .realistic import REALISTIC_TRACK_NAME, realistic_face
from .sample import FaceDataset, FaceSample

Uint8Array = npt.NDArray[np.uint8]
Float32Array = npt.NDArray[np.float32]


class Track(str, Enum):
    """How small faces are made for an evaluation."""

    CLEAN = "clean"
    """Anti-aliased bicubic down-sampling, nothing else: the protocol of the literature."""

    REALISTIC = "realistic"
    """As cameras deliver them (:mod:`fsrfer.datasets.realistic`), frozen by seed."""

    @property
    def protocol(self) -> str:
        """Name and version, for the record."""
        return "clean" if self is Track.CLEAN else f"{REALISTIC_TRACK_NAME}, seed {TRACK_SEED}"


TRACK_SEED = 0
"""Seed of the realistic track."""


@dataclass(frozen=True)
class SizedBatch:
    """Some faces of a data set at one size.

    Attributes:
        face_size_px: The size that was asked for.
        faces: Preprocessed, uint8 (N, C, H, W).
        native_px: float32 (N,), size of each face as a classifier is told.
        smaller: How many are smaller in the data set; they were not enlarged.
        done: Faces of the data set that have been given at all sizes once this batch is done with.
    """

    face_size_px: int
    faces: Uint8Array
    native_px: Float32Array
    smaller: int
    done: int


def sized_batches(
    dataset: FaceDataset, spec: PreprocessSpec, sizes: Sequence[int], track: Track, batch_size: int
) -> Iterator[SizedBatch]:
    """Give every face of a data set at several native sizes, in the order of the data set for each size.

    A face is shrunk to ``size`` by ``size`` pixels as the track says, and then takes the way of a served face. One
    whose shorter side is below ``size`` already is not enlarged: it is given as it is.

    Args:
        dataset: The faces.
        spec: Preprocessing of the classifier.
        sizes: Native face sizes in pixels.
        track: How small faces are made.
        batch_size: Most faces in a batch.

    Raises:
        DatasetError: A file of the data set changed after it was opened.
    """
    for start in range(0, len(dataset), batch_size):
        samples = [dataset[index] for index in range(start, min(start + batch_size, len(dataset)))]
        for position, size in enumerate(sizes, start=1):
            faces, smaller = _at_size(samples, size, track)
            batch, native = preprocess(faces, spec)
            yield SizedBatch(size, batch, native, smaller, start + (len(samples) if position == len(sizes) else 0))


def _at_size(samples: Sequence[FaceSample], size: int, track: Track) -> tuple[list[Uint8Array], int]:
    """Return the faces at a size, and how many were smaller already."""
    images = [sample.image for sample in samples]
    faces = list(images)
    large = [position for position, image in enumerate(images) if min(image.shape[:2]) >= size]
    if track is Track.REALISTIC:
        for position in large:
            faces[position] = realistic_face(images[position], size, TRACK_SEED, samples[position].sample_id)
        return faces, len(images) - len(large)
    for positions in _of_equal_shape(images, large):
        stack = np.stack([images[position] for position in positions])
        small = shrink(stack[..., None], size)[..., 0] if stack.ndim == 3 else shrink(stack, size)
        for position, face in zip(positions, small, strict=True):
            faces[position] = face
    return faces, len(images) - len(large)


def _of_equal_shape(images: Sequence[Uint8Array], positions: Sequence[int]) -> Iterator[list[int]]:
    groups: dict[tuple[int, ...], list[int]] = {}
    for position in positions:
        groups.setdefault(images[position].shape, []).append(position)
    yield from groups.values()
