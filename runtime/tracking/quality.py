"""How much a face crop can tell: by its size, by how sure the detector is of it, and by its sharpness.

All three lie in 0 to 1 and are multiplied, so that the worst decides.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from ...core.errors import InputSpecError
from ..detection import FaceDetections

FloatArray = npt.NDArray[np.float32]

_HALF_SIZE_PX = 16.0
_HALF_SHARPNESS = 0.2
_NOISE_VAR = 20.0 * 6.0**2  # what noise of 6 grey levels adds to the variance of the Laplacian: 20 times its own


def size_quality(face_size_px: FloatArray) -> FloatArray:
    """Return how much a face of a size tells, 0 to 1, one half at 16 px.

    Args:
        face_size_px: float32 (N,), side of each face in pixels.

    Returns:
        float32 (N,): the share s^2 / (s^2 + 16^2), in step with the accuracy of classifiers over the size.
    """
    area = np.square(face_size_px)
    return area / (area + np.float32(_HALF_SIZE_PX**2))


def sharpness(crop: npt.NDArray[np.uint8]) -> float:
    """Return how sharp a crop is: the variance of its Laplacian over that of its grey levels, noise taken off.

    The variance of the Laplacian (Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy", ICPR 2000)
    grows with contrast as well; divided by the variance it does not (Pertuz et al., "Analysis of focus measure
    operators for shape-from-focus", Pattern Recognition 46(5), 2013, compares such measures).

    Args:
        crop: uint8 (H, W, 3) RGB or (H, W) grey.

    Returns:
        0 for a flat crop, about 0.1 for a blurred and above 1 for a sharp face of 8 to 48 px.

    Raises:
        InputSpecError: The array is not such a picture.
    """
    if crop.dtype != np.uint8 or crop.size == 0 or not (crop.ndim == 2 or (crop.ndim == 3 and crop.shape[2] == 3)):
        raise InputSpecError(
            "the sharpness of this array cannot be measured",
            expected="uint8 (H, W, 3) or (H, W), at least one pixel",
            found=f"{crop.dtype} {crop.shape}",
        )
    gray = crop if crop.ndim == 2 else cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    _, contrast = cv2.meanStdDev(gray)
    _, detail = cv2.meanStdDev(cv2.Laplacian(gray, cv2.CV_16S))
    detail_var = max(float(detail[0, 0]) ** 2 - _NOISE_VAR, 0.0)
    return detail_var / (float(contrast[0, 0]) ** 2 + 1.0)


def crop_quality(crops: Sequence[npt.NDArray[np.uint8]], detections: FaceDetections) -> FloatArray:
    """Return how much each face of a frame can tell, 0 to 1.

    Args:
        crops: The faces' N crops, uint8, at the frame's own resolution.
        detections: The same N faces.

    Returns:
        float32 (N,); 0 where a score is no number.

    Raises:
        InputSpecError: The crops do not belong to the detections, or one is no picture.
    """
    if len(crops) != len(detections):
        raise InputSpecError("crops do not belong to the detections", expected=len(detections), found=len(crops))
    sharp = np.array([sharpness(crop) for crop in crops], np.float32)
    quality = size_quality(detections.sides) * np.clip(detections.scores, 0.0, 1.0) * sharp / (sharp + _HALF_SHARPNESS)
    return np.nan_to_num(quality).astype(np.float32)
