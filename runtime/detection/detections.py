"""Faces found in one frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ...core.errors import InputSpecError

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class FaceDetections:
    """Faces of one frame as parallel arrays, best score first.

    Attributes:
        boxes: float32 (N, 4), x0, y0, x1, y1 in pixels; x0 and y0 are the outer edges of the first column and row.
        scores: float32 (N,), the detector's confidence, 0 to 1. Scores of different detectors do not compare.
        landmarks: float32 (N, 5, 2), x and y of the eyes, the nose tip and the corners of the mouth, in each pair
            the one further left in the picture first; None where the detector has none.

    Raises:
        InputSpecError: An array has another dtype or length, or a box ends before it starts.
    """

    boxes: FloatArray
    scores: FloatArray
    landmarks: FloatArray | None = None

    def __post_init__(self) -> None:
        count = len(self.scores)
        _check("scores", self.scores, (count,))
        _check("boxes", self.boxes, (count, 4))
        if self.landmarks is not None:
            _check("landmarks", self.landmarks, (count, 5, 2))
        if not bool(np.all(self.boxes[:, 2:] >= self.boxes[:, :2])):
            raise InputSpecError("impossible boxes", expected="x0 <= x1 and y0 <= y1", found=self.boxes.tolist())

    @classmethod
    def empty(cls) -> FaceDetections:
        """Return no faces; the landmarks are there, and empty."""
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros((0, 5, 2), np.float32))

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def sides(self) -> FloatArray:
        """Longer side of every box in pixels: float32 (N,)."""
        longer: FloatArray = (self.boxes[:, 2:] - self.boxes[:, :2]).max(axis=1, initial=0.0)
        return longer

    def select(self, which: npt.NDArray[np.bool_] | npt.NDArray[np.integer[Any]]) -> FaceDetections:
        """Return some of the faces.

        Args:
            which: bool (N,), or the integer indices of the faces in the wanted order.
        """
        landmarks = None if self.landmarks is None else self.landmarks[which]
        return FaceDetections(self.boxes[which], self.scores[which], landmarks)

    def shifted(self, right: float, down: float) -> FaceDetections:
        """Return the faces at another place: of a part of a frame in pixels of the frame, say.

        Args:
            right: Pixels that are added to every x.
            down: Pixels that are added to every y.
        """
        offset = np.array([right, down], np.float32)
        landmarks = None if self.landmarks is None else self.landmarks + offset
        return FaceDetections(self.boxes + np.tile(offset, 2), self.scores, landmarks)


def join(parts: Sequence[FaceDetections]) -> FaceDetections:
    """Return the faces of several parts one after the other, in the parts' order, not in that of the scores.

    Landmarks are kept only where every part that has a face has them.
    """
    kept = [part for part in parts if len(part) > 0] or [FaceDetections.empty()]
    landmarks = [part.landmarks for part in kept if part.landmarks is not None]
    return FaceDetections(
        np.concatenate([part.boxes for part in kept]),
        np.concatenate([part.scores for part in kept]),
        np.concatenate(landmarks) if len(landmarks) == len(kept) else None,
    )


def _check(name: str, array: npt.NDArray[Any], shape: tuple[int, ...]) -> None:
    if array.dtype != np.float32 or array.shape != shape:
        raise InputSpecError(f"wrong {name}", expected=f"float32 {shape}", found=f"{array.dtype} {array.shape}")
