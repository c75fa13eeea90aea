"""The splits of a training run."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.errors import DatasetError
from ..datasets import FaceDataset


@dataclass(frozen=True)
class TrainingData:
    """The splits of a run, all with the same labels.

    Attributes:
        train: Faces to learn from.
        valid: Faces that choose the epoch.
        test: Faces of the final evaluation, looked at once.
    """

    train: FaceDataset
    valid: FaceDataset
    test: FaceDataset

    def __post_init__(self) -> None:
        splits = {"train": self.train, "valid": self.valid, "test": self.test}
        if not self.train.labels == self.valid.labels == self.test.labels:
            raise DatasetError(
                "the splits have different labels",
                expected="the same expressions in the same order",
                found="; ".join(f"{name}: {', '.join(split.labels)}" for name, split in splits.items()),
                fix="bring them into one order with fsrfer.datasets.with_labels",
            )
        if len(self.train.labels) < 2:
            raise DatasetError(
                "there is nothing to tell apart", expected="two or more expressions", found=", ".join(self.train.labels)
            )

    @property
    def dataset_ids(self) -> tuple[str, ...]:
        """Identities of the three splits."""
        return tuple(split.dataset_id for split in (self.train, self.valid, self.test))
