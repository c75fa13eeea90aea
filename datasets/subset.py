"""Parts of a data set, and data sets in the label order of a model."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ..core.errors import DatasetError
from ..core.labels import index_mapping
from .sample import FaceDataset, FaceSample


class Subset:
    """Some faces of a data set, in a given order; implements :class:`fsrfer.datasets.FaceDataset`.

    Args:
        dataset: The whole.
        indices: Positions in it, 0 to ``len(dataset) - 1``.

    Raises:
        DatasetError: There is no position, or one lies outside.
    """

    def __init__(self, dataset: FaceDataset, indices: Iterable[int] | npt.NDArray[np.int64]) -> None:
        chosen = np.fromiter(indices, np.int64)
        if len(chosen) == 0 or chosen.min() < 0 or chosen.max() >= len(dataset):
            raise DatasetError(
                f"impossible part of {dataset.dataset_id}",
                expected=f"one or more positions from 0 to {len(dataset) - 1}",
                found=f"{chosen.min()} to {chosen.max()}" if len(chosen) else "none",
            )
        self._dataset = dataset
        self._indices = chosen
        self._label_indices = dataset.label_indices[chosen]
        soft = dataset.soft_labels
        self._soft_labels = None if soft is None else soft[chosen]
        digest = hashlib.sha256(np.ascontiguousarray(chosen, "<i8").tobytes()).hexdigest()
        self._dataset_id = f"{dataset.dataset_id}&subset={len(chosen)}-{digest[:16]}"

    @property
    def name(self) -> str:
        """Short name of the whole data set."""
        return self._dataset.name

    @property
    def split(self) -> str:
        """Split of the whole data set."""
        return self._dataset.split

    @property
    def dataset_id(self) -> str:
        """Identity of the whole data set and of the choice."""
        return self._dataset_id

    @property
    def labels(self) -> tuple[str, ...]:
        """Canonical expression names of the whole data set."""
        return self._dataset.labels

    @property
    def label_indices(self) -> npt.NDArray[np.int64]:
        """Labels of the chosen faces, int64 (N,)."""
        return self._label_indices

    @property
    def soft_labels(self) -> npt.NDArray[np.float32] | None:
        """Label distributions of the chosen faces, float32 (N, classes), or None."""
        return self._soft_labels

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: int) -> FaceSample:
        return self._dataset[int(self._indices[index])]


def balanced_indices(labels: npt.NDArray[np.int64], per_class: int, seed: int) -> npt.NDArray[np.int64]:
    """Choose as many faces of each class, at random.

    Args:
        labels: int64 (N,), class indices.
        per_class: Faces a class; a class that has fewer gives all.
        seed: Key of the choice.

    Returns:
        int64, ascending positions in ``labels``, each at most once.
    """
    # One stream a class: the choice inside a class does not depend on which other classes there are.
    chosen = [
        np.random.default_rng((seed, int(label))).permutation(np.flatnonzero(labels == label))[:per_class]
        for label in np.unique(labels)
    ]
    return np.sort(np.concatenate(chosen or [np.empty(0, np.int64)])).astype(np.int64)


def evenly_spread(dataset: FaceDataset, count: int | None) -> FaceDataset:
    """Return some faces of a data set, spread evenly over it, or the data set itself where it has no more.

    Args:
        dataset: The whole.
        count: Most faces, 1 or more; None for all.
    """
    if count is None or count >= len(dataset):
        return dataset
    return Subset(dataset, np.unique(np.linspace(0, len(dataset) - 1, count).astype(np.int64)))


def with_labels(dataset: FaceDataset, labels: Sequence[str], *, drop_missing: bool = False) -> FaceDataset:
    """Number a data set's expressions as a model does.

    Votes for expressions that the model lacks are left out of the soft labels, and the rest is scaled to sum to 1; a
    face that has no other votes gets all weight on its label.

    Args:
        dataset: Faces with labels of their own order.
        labels: Canonical names in the order of the model's outputs.
        drop_missing: Leave out faces whose expression is not among ``labels``, instead of raising.

    Returns:
        The data set itself where the orders agree, else a view of it.

    Raises:
        DatasetError: Faces have an expression that is not among ``labels`` and dropping was not asked for, or no face
            is left.
    """
    target = tuple(labels)
    if dataset.labels == target:
        return dataset
    placed = np.array([name in target for name in dataset.labels])
    has_place = placed[dataset.label_indices]
    if not has_place.all():
        if not drop_missing:
            present = [name for index, name in enumerate(dataset.labels) if (dataset.label_indices == index).any()]
            index_mapping(present, target)
        dataset = Subset(dataset, np.flatnonzero(has_place))
    return _Relabelled(dataset, target)


class _Relabelled:
    """A data set whose labels are numbered in another order; every face's expression must be in that order."""

    def __init__(self, dataset: FaceDataset, labels: tuple[str, ...]) -> None:
        self._dataset = dataset
        self._labels = labels
        places = [labels.index(name) if name in labels else -1 for name in dataset.labels]
        self._label_indices = np.array(places, np.int64)[dataset.label_indices]
        hard = np.eye(len(labels), dtype=np.float32)[self._label_indices]
        self._soft_labels = _moved(dataset.soft_labels, places, hard)

    @property
    def name(self) -> str:
        return self._dataset.name

    @property
    def split(self) -> str:
        return self._dataset.split

    @property
    def dataset_id(self) -> str:
        return f"{self._dataset.dataset_id}&labels={','.join(self._labels)}"

    @property
    def labels(self) -> tuple[str, ...]:
        return self._labels

    @property
    def label_indices(self) -> npt.NDArray[np.int64]:
        return self._label_indices

    @property
    def soft_labels(self) -> npt.NDArray[np.float32] | None:
        return self._soft_labels

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int) -> FaceSample:
        soft = None if self._soft_labels is None else self._soft_labels[index]
        return replace(self._dataset[index], label=int(self._label_indices[index]), soft_label=soft)


def _moved(
    soft: npt.NDArray[np.float32] | None, places: Sequence[int], hard: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32] | None:
    if soft is None:
        return None
    moved = np.zeros((len(soft), hard.shape[1]), np.float32)
    for source, target in enumerate(places):
        if target >= 0:
            moved[:, target] = soft[:, source]
    sums = moved.sum(axis=1, keepdims=True)
    return np.asarray(np.where(sums > 0, moved / np.where(sums > 0, sums, 1), hard), np.float32)
