"""What the classifier says about a batch of faces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import InputSpecError


@dataclass(frozen=True)
class ExpressionPredictions:
    """Predicted expressions of N faces as a struct of arrays.

    Attributes:
        labels: The K expression names that ``label_index`` and the columns of ``probabilities`` refer to.
        probabilities: float32 (N, K), rows sum to 1; calibrated by the bundle's temperature where it has one. All NaN
            for a face that was not read, which is abstained.
        label_index: int64 (N,), the most probable class.
        face_size_px: float32 (N,), native side of each face crop in source pixels.
        abstained: bool (N,), True where the confidence is below the threshold that was asked for: read "unknown".
    """

    labels: tuple[str, ...]
    probabilities: npt.NDArray[np.float32]
    label_index: npt.NDArray[np.int64]
    face_size_px: npt.NDArray[np.float32]
    abstained: npt.NDArray[np.bool_]

    def __post_init__(self) -> None:
        count = len(self.label_index)
        expected = {
            "probabilities": ((count, len(self.labels)), np.float32),
            "label_index": ((count,), np.int64),
            "face_size_px": ((count,), np.float32),
            "abstained": ((count,), np.bool_),
        }
        for name, (shape, dtype) in expected.items():
            array = getattr(self, name)
            if array.shape != shape or array.dtype != dtype:
                raise InputSpecError(
                    f"predictions have the wrong {name}",
                    expected=f"{np.dtype(dtype)} {shape}",
                    found=f"{array.dtype} {array.shape}",
                )

    def __len__(self) -> int:
        return len(self.label_index)

    @property
    def confidence(self) -> npt.NDArray[np.float32]:
        """Probability of the most probable class, float32 (N,); NaN for a face that was not read."""
        return np.asarray(np.take_along_axis(self.probabilities, self.label_index[:, None], axis=1)[:, 0], np.float32)

    def select(self, which: slice | npt.NDArray[np.bool_] | npt.NDArray[np.integer[Any]]) -> ExpressionPredictions:
        """Return the predictions of some of the faces.

        Args:
            which: A slice, bool (N,), or the integer indices of the faces in the wanted order.
        """
        return ExpressionPredictions(
            labels=self.labels,
            probabilities=self.probabilities[which],
            label_index=self.label_index[which],
            face_size_px=self.face_size_px[which],
            abstained=self.abstained[which],
        )

    def label_of(self, index: int) -> str:
        """Return the name of the predicted expression of one face, or ``unknown`` where the model abstained."""
        return "unknown" if self.abstained[index] else self.labels[int(self.label_index[index])]


def softmax(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the softmax over the last axis, in float32, without overflow.

    Args:
        logits: float32 (..., K).
    """
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True), np.float32)
