"""The crops of a frame that the model reads."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..core.crop import crop_faces, crop_upright_faces
from .detection import FaceDetections


def cut_faces(image: npt.NDArray[np.uint8], detections: FaceDetections, margin: float) -> list[npt.NDArray[np.uint8]]:
    """Cut the faces of a frame out, tilted ones upright where the detector tells the eyes.

    Args:
        image: uint8 (height, width, 3).
        detections: Its N faces.
        margin: Fraction of a box's longer side that is added on each side.

    Returns:
        N square crops, uint8; most of them views on the image.
    """
    if detections.landmarks is None:
        return crop_faces(image, detections.boxes, margin)
    return crop_upright_faces(image, detections.boxes, detections.landmarks, margin)
