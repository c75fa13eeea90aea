"""The one seam between data on disk and everything that reads faces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class FaceSample:
    """One labelled face.

    Attributes:
        image: uint8, shape (height, width, 3) in RGB order or (height, width) grey.
        label: Index into the data set's ``labels``.
        soft_label: float32, shape (classes,), sums to 1: the annotators' distribution; None where there is none.
        sample_id: Stable name of the face inside its data set (a file name, say); goes into error messages.
        attributes: What else the data set knows (``gender``, ``age``), as text.
    """

    image: npt.NDArray[np.uint8]
    label: int
    soft_label: npt.NDArray[np.float32] | None
    sample_id: str
    attributes: Mapping[str, str] = field(default_factory=dict)


class FaceDataset(Protocol):
    """An ordered, random-access set of labelled faces of one split.

    Everything that can be wrong with the files is found while the data set is opened; reading a sample of an
    opened data set fails only if a file changes underneath.
    """

    @property
    def name(self) -> str:
        """Short name, such as ``ferplus``."""

    @property
    def split(self) -> str:
        """``train``, ``valid`` or ``test``."""

    @property
    def dataset_id(self) -> str:
        """Text that identifies the content: name, split, options and a hash; goes into bundles and reports."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Canonical expression names; a sample's ``label`` indexes this tuple."""

    @property
    def label_indices(self) -> npt.NDArray[np.int64]:
        """All labels, shape (N,), without decoding an image."""

    @property
    def soft_labels(self) -> npt.NDArray[np.float32] | None:
        """All label distributions, shape (N, classes), or None where the data set has none."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> FaceSample: ...
