"""Faces of one frame and whom they belong to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ...core.errors import InputSpecError
from ..detection import FaceDetections


@dataclass(frozen=True)
class TrackedFaces:
    """Faces of one frame as parallel arrays, best score first; face *i* of one is face *i* of the others.

    Attributes:
        detections: Where the N faces are. Of a face that was not found in this frame, the box and the landmarks come
            from motion, and the score is that of its last detection.
        ids: int64 (N,), the track of each face: from 1, unique within a source and a run, never used again.
        age_s: float32 (N,), seconds since the track began, 0 or more.
        is_detected: bool (N,), whether the face was found in this very frame.

    Raises:
        InputSpecError: An array has another dtype or length.
    """

    detections: FaceDetections
    ids: npt.NDArray[np.int64]
    age_s: npt.NDArray[np.float32]
    is_detected: npt.NDArray[np.bool_]

    def __post_init__(self) -> None:
        for name, dtype in (("ids", np.int64), ("age_s", np.float32), ("is_detected", np.bool_)):
            array = getattr(self, name)
            if array.shape != (len(self.detections),) or array.dtype != dtype:
                raise InputSpecError(
                    f"tracked faces have the wrong {name}",
                    expected=f"{np.dtype(dtype)} {(len(self.detections),)}",
                    found=f"{array.dtype} {array.shape}",
                )

    @classmethod
    def empty(cls) -> TrackedFaces:
        """Return no faces."""
        return cls(FaceDetections.empty(), np.zeros(0, np.int64), np.zeros(0, np.float32), np.zeros(0, np.bool_))

    def __len__(self) -> int:
        return len(self.ids)

    def select(self, which: npt.NDArray[np.bool_] | npt.NDArray[np.integer[Any]]) -> TrackedFaces:
        """Return some of the faces.

        Args:
            which: bool (N,), or the integer indices of the faces in the wanted order.
        """
        return TrackedFaces(self.detections.select(which), self.ids[which], self.age_s[which], self.is_detected[which])
