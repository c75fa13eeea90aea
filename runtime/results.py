"""What the pipeline says about one frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..core.errors import InputSpecError
from ..core.predictions import ExpressionPredictions
from .detection import FaceDetections
from .frame import Frame


@dataclass(frozen=True)
class FaceTracks:
    """Whom the faces of a frame belong to, from frame to frame.

    Attributes:
        ids: int64 (N,), the track of each face: from 1, never used again within a source and a run. A track is not an
            identity: somebody who leaves and comes back is another one.
        age_s: float32 (N,), seconds since the track began.
        is_detected: bool (N,), the detector saw the face in this very frame; else its box follows from its motion.
        was_read: bool (N,), the model read the face in this very frame; else its expression stands from before.
        quality: float32 (N,), how much the face's crop in this frame can tell, 0 to 1, by its size, its sharpness and
            the detection's score (:func:`~fsrfer.runtime.tracking.crop_quality`).
    """

    ids: npt.NDArray[np.int64]
    age_s: npt.NDArray[np.float32]
    is_detected: npt.NDArray[np.bool_]
    was_read: npt.NDArray[np.bool_]
    quality: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class FrameResult:
    """A frame, its faces and their expressions; face *i* of one is face *i* of the others.

    Attributes:
        frame: The frame.
        predictions: Expressions of its N faces.
        detections: Where the N faces are; None where the frame itself is one ready-made face crop.
        tracks: Whom they belong to, and then the predictions are smoothed over time; None where nobody is followed.
    """

    frame: Frame
    predictions: ExpressionPredictions
    detections: FaceDetections | None
    tracks: FaceTracks | None = None

    def __post_init__(self) -> None:
        faces = 1 if self.detections is None else len(self.detections.boxes)
        if len(self.predictions) != faces:
            raise InputSpecError(
                "predictions do not belong to the detections", expected=faces, found=len(self.predictions)
            )
        if self.tracks is not None and len(self.tracks) != faces:
            raise InputSpecError("tracks do not belong to the detections", expected=faces, found=len(self.tracks))

    def __len__(self) -> int:
        return len(self.predictions)

    @property
    def boxes(self) -> npt.NDArray[np.float32]:
        """Boxes of the faces, float32 (N, 4), x0, y0, x1, y1 in pixels; the whole frame for a face crop."""
        if self.detections is None:
            return np.array([[0, 0, self.frame.width, self.frame.height]], np.float32)
        return self.detections.boxes
