"""How much a face crop can tell: by its size, by its sharpness, and by how sure the detector is of it.

Each lies in 0 to 1 and they are multiplied, so that the worst decides. On FER+ faces of 10 to 40 px, blurred by up to
15 percent of their side, size and sharpness together foretell whether the shipped model is right with an area under
the ROC curve of 0.63, size alone with 0.55; where nothing is blurred, both have 0.63 (``benchmarks/tracking.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ...core.errors import InputSpecError
from ..detection import FaceDetections

FloatArray = npt.NDArray[np.float32]
Uint8Array = npt.NDArray[np.uint8]

_HALF_SIZE_PX = np.float32(32.0)
_HALF_SHARPNESS = np.float32(0.5)
_SIDE = 16


def size_quality(face_size_px: FloatArray) -> FloatArray:
    """Return how much a face of a size tells, 0 to 1, one half at 32 px.

    Args:
        face_size_px: float32 (N,), side of each face in pixels.

    Returns:
        float32 (N,): s^2 / (s^2 + 32^2). It grows with the number of pixels while they are few, and levels off where
        the accuracy of a model for small faces does.
    """
    return np.square(face_size_px / np.hypot(face_size_px, _HALF_SIZE_PX))


def sharpness(crops: Sequence[Uint8Array]) -> FloatArray:
    """Return how sharp crops are: the variance of the Laplacian over that of the grey levels, at 16 pixels a side.

    The variance of the Laplacian (Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy", ICPR 2000)
    grows with contrast; divided by the variance it does not (Pertuz et al., "Analysis of focus measure operators for
    shape-from-focus", Pattern Recognition 46(5), 2013, compares such measures). Measured at a crop's own resolution it
    prefers small faces, whose details are a pixel wide; at one side for all, a blurred face counts like a small one.

    It takes about 10 us a crop.

    Args:
        crops: N crops, uint8 (H, W, 3) RGB or (H, W) grey.

    Returns:
        float32 (N,): 0 for a flat crop, about 0.05 for a badly blurred face, 0.3 for a sharp one of 10 px and 1.5 for
        one of 40 px.

    Raises:
        InputSpecError: An array is not such a picture.
    """
    ratios = np.empty(len(crops), np.float32)
    for index, crop in enumerate(crops):
        gray = _thumbnail(crop)
        laplacian = cv2.Laplacian(gray, cv2.CV_32F, borderType=cv2.BORDER_REFLECT_101)
        ratios[index] = _variance(laplacian) / (_variance(gray) + 1.0)
    return ratios


def crop_quality(crops: Sequence[Uint8Array], detections: FaceDetections) -> FloatArray:
    """Return how much each face of a frame can tell, 0 to 1.

    Args:
        crops: The faces' N crops, uint8, at the frame's own resolution.
        detections: The same N faces.

    Returns:
        float32 (N,); 0 where a score or a box is no number.

    Raises:
        InputSpecError: The crops do not belong to the detections, or one is no picture.
    """
    if len(crops) != len(detections):
        raise InputSpecError("crops do not belong to the detections", expected=len(detections), found=len(crops))
    sharp = sharpness(crops)
    certainty = np.clip(np.nan_to_num(detections.scores), 0.0, 1.0)
    sizes = np.nan_to_num(detections.sides, posinf=0.0)
    quality: FloatArray = size_quality(sizes) * certainty * sharp / (sharp + _HALF_SHARPNESS)
    return quality


def _variance(image: npt.NDArray[Any]) -> float:
    _, deviation = cv2.meanStdDev(image)
    return float(deviation[0, 0]) ** 2


def _thumbnail(crop: Uint8Array) -> Uint8Array:
    is_picture = crop.ndim == 2 or (crop.ndim == 3 and crop.shape[2] == 3)
    if crop.dtype != np.uint8 or crop.size == 0 or not is_picture:
        raise InputSpecError(
            "the sharpness of this array cannot be measured",
            expected="uint8 (H, W, 3) or (H, W), at least one pixel",
            found=f"{crop.dtype} {crop.shape}",
        )
    gray = crop if crop.ndim == 2 else cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    kernel = cv2.INTER_AREA if min(gray.shape) > _SIDE else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(gray, (_SIDE, _SIDE), interpolation=kernel), np.uint8)
