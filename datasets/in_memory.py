"""A data set whose pixels are one array in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from ..core.errors import DatasetError
from .faults import SkippedFile
from .identity import content_digest, dataset_id
from .sample import FaceSample

_Scalar = TypeVar("_Scalar", bound=np.generic)


class InMemoryFaces:
    """Faces of one size, held as one array; implements :class:`fsrfer.datasets.FaceDataset`.

    Args:
        name: Short name of the data set.
        split: ``train``, ``valid`` or ``test``.
        labels: Expression names.
        images: uint8 (N, height, width, 3) in RGB order or (N, height, width) grey.
        label_indices: int64 (N,), indices into ``labels``.
        sample_ids: N names, all different.
        soft_labels: float32 (N, classes), rows sum to 1; None where there are none.
        options: What else the identity says.
        skipped: Entries that were left out.

    Raises:
        DatasetError: The arrays do not fit each other, or there is no face.
    """

    def __init__(
        self,
        *,
        name: str,
        split: str,
        labels: tuple[str, ...],
        images: npt.NDArray[np.uint8],
        label_indices: npt.NDArray[np.int64],
        sample_ids: Sequence[str],
        soft_labels: npt.NDArray[np.float32] | None = None,
        options: Mapping[str, object] | None = None,
        skipped: tuple[SkippedFile, ...] = (),
    ) -> None:
        _check_arrays(f"{name}/{split}", labels, images, label_indices, sample_ids, soft_labels)
        self._name = name
        self._split = split
        self._labels = labels
        self._images = _read_only(images)
        self._label_indices = _read_only(label_indices)
        self._sample_ids = tuple(sample_ids)
        self._soft_labels = None if soft_labels is None else _read_only(soft_labels)
        self._skipped = skipped
        pixels = (str(images.shape).encode(), np.ascontiguousarray(images).data.cast("B"))
        digest = content_digest(labels, label_indices, self._sample_ids, soft_labels, pixels)
        self._dataset_id = dataset_id(name, split, options or {}, len(images), digest)

    @property
    def name(self) -> str:
        """Short name of the data set."""
        return self._name

    @property
    def split(self) -> str:
        """``train``, ``valid`` or ``test``."""
        return self._split

    @property
    def dataset_id(self) -> str:
        """Identity of the content."""
        return self._dataset_id

    @property
    def labels(self) -> tuple[str, ...]:
        """Canonical expression names."""
        return self._labels

    @property
    def label_indices(self) -> npt.NDArray[np.int64]:
        """All labels, int64 (N,), read-only."""
        return self._label_indices

    @property
    def soft_labels(self) -> npt.NDArray[np.float32] | None:
        """All label distributions, float32 (N, classes), read-only, or None."""
        return self._soft_labels

    @property
    def images(self) -> npt.NDArray[np.uint8]:
        """All pixels, uint8 (N, height, width, 3) or (N, height, width), read-only."""
        return self._images

    @property
    def skipped(self) -> tuple[SkippedFile, ...]:
        """Entries that were left out because they are unusable."""
        return self._skipped

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> FaceSample:
        soft = None if self._soft_labels is None else self._soft_labels[index]
        return FaceSample(self._images[index], int(self._label_indices[index]), soft, self._sample_ids[index])


def _check_arrays(
    where: str,
    labels: tuple[str, ...],
    images: npt.NDArray[np.uint8],
    label_indices: npt.NDArray[np.int64],
    sample_ids: Sequence[str],
    soft_labels: npt.NDArray[np.float32] | None,
) -> None:
    count = len(images)
    if images.size == 0:
        raise DatasetError(f"{where} has no usable face", expected="at least one")
    if images.dtype != np.uint8 or not (images.ndim == 3 or (images.ndim == 4 and images.shape[3] == 3)):
        raise DatasetError(
            f"{where} has unusable images",
            expected="uint8 (N, height, width, 3) or (N, height, width)",
            found=f"{images.dtype} {images.shape}",
        )
    lengths = {"labels": len(label_indices), "names": len(sample_ids)}
    if soft_labels is not None:
        lengths["soft labels"] = len(soft_labels)
    if set(lengths.values()) != {count}:
        raise DatasetError(f"{where} does not fit together", expected=f"{count} of each", found=lengths)
    if label_indices.min() < 0 or label_indices.max() >= len(labels):
        raise DatasetError(
            f"{where} has a label outside its {len(labels)} expressions",
            expected=f"0 to {len(labels) - 1}",
            found=f"{label_indices.min()} to {label_indices.max()}",
        )


def _read_only(array: npt.NDArray[_Scalar]) -> npt.NDArray[_Scalar]:
    view = array.view()
    view.setflags(write=False)
    return view
