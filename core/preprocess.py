"""The one implementation that turns face crops into the model's input.

Evaluation, calibration and serving all call :func:`preprocess`, so they cannot drift apart. It ends in uint8:
normalisation is part of the graph, where nobody can get mean and standard deviation wrong and where a batch costs a
quarter of the bytes on its way to a device.

OpenCV is loaded with the first face: bundles are also described by commands that see none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt

from .errors import InputSpecError

Uint8Array = npt.NDArray[np.uint8]
Float32Array = npt.NDArray[np.float32]


class ColorMode(str, Enum):
    """Colour channels of the model's input."""

    RGB = "rgb"
    GRAY = "gray"

    @property
    def channels(self) -> int:
        """Number of channels: 3 or 1."""
        return 3 if self is ColorMode.RGB else 1


class EnlargeFilter(str, Enum):
    """Interpolation for faces that are smaller than the model's input."""

    BICUBIC = "bicubic"
    BILINEAR = "bilinear"
    NEAREST = "nearest"


_ENLARGE_FLAG = {  # names of OpenCV
    EnlargeFilter.BICUBIC: "INTER_CUBIC",
    EnlargeFilter.BILINEAR: "INTER_LINEAR",
    EnlargeFilter.NEAREST: "INTER_NEAREST",
}


@dataclass(frozen=True)
class PreprocessSpec:
    """How a face crop becomes the model's input.

    Attributes:
        height: Rows of the model's input.
        width: Columns of the model's input.
        color: Channels of the model's input; grey crops are repeated for RGB, colour crops become luma (BT.601).
        enlarge: Interpolation for smaller faces. Larger ones are always averaged over the area that a pixel covers,
            which is anti-aliased.
        crop_margin: What a detector's box is widened by on each side, as a fraction of its longer side, before the
            crop is made square.
    """

    height: int = 48
    width: int = 48
    color: ColorMode = ColorMode.RGB
    enlarge: EnlargeFilter = EnlargeFilter.BICUBIC
    crop_margin: float = 0.1

    def __post_init__(self) -> None:
        if self.height < 1 or self.width < 1:
            raise InputSpecError("impossible input size", expected="at least 1x1", found=f"{self.height}x{self.width}")
        if not -0.4 <= self.crop_margin <= 2.0:
            raise InputSpecError("impossible crop margin", expected="-0.4 to 2.0", found=self.crop_margin)

    @property
    def channels(self) -> int:
        """Channels of the model's input."""
        return self.color.channels


def preprocess(faces: Sequence[Uint8Array], spec: PreprocessSpec) -> tuple[Uint8Array, Float32Array]:
    """Turn face crops of any sizes into one batch.

    Args:
        faces: Crops, uint8, each (height, width, 3) RGB or (height, width) grey.
        spec: The model's preprocessing.

    Returns:
        The batch, uint8 of shape (N, channels, height, width), and each face's native size in pixels, float32 of
        shape (N,): the square root of its area before resizing.

    Raises:
        InputSpecError: A crop is empty, not uint8, or not of one of the two shapes.
    """
    batch = np.empty((len(faces), spec.channels, spec.height, spec.width), np.uint8)
    sizes = np.empty(len(faces), np.float32)
    for position, face in enumerate(faces):
        _check_face(face, position)
        sizes[position] = np.sqrt(face.shape[0] * face.shape[1])
        resized = _resize(_to_color(face, spec.color), spec)
        batch[position] = resized if resized.ndim == 2 else resized.transpose(2, 0, 1)
    return batch, sizes


def _check_face(face: Uint8Array, position: int) -> None:
    shape_ok = face.ndim == 2 or (face.ndim == 3 and face.shape[2] == 3)
    if face.dtype != np.uint8 or not shape_ok or face.size == 0:
        raise InputSpecError(
            f"face {position} cannot be preprocessed",
            expected="uint8 (height, width, 3) RGB or (height, width) grey, not empty",
            found=f"{face.dtype} {face.shape}",
        )


def _to_color(face: Uint8Array, color: ColorMode) -> Uint8Array:
    import cv2

    # Converting before the resize lets grey models resize one channel instead of three.
    if color is ColorMode.GRAY and face.ndim == 3:
        return np.asarray(cv2.cvtColor(face, cv2.COLOR_RGB2GRAY), np.uint8)
    if color is ColorMode.RGB and face.ndim == 2:
        return np.asarray(cv2.cvtColor(face, cv2.COLOR_GRAY2RGB), np.uint8)
    return face


def _resize(face: Uint8Array, spec: PreprocessSpec) -> Uint8Array:
    import cv2

    if face.shape[:2] == (spec.height, spec.width):
        return face
    shrinks = face.shape[0] > spec.height or face.shape[1] > spec.width
    flag = cv2.INTER_AREA if shrinks else getattr(cv2, _ENLARGE_FLAG[spec.enlarge])
    return np.asarray(cv2.resize(face, (spec.width, spec.height), interpolation=flag), np.uint8)
