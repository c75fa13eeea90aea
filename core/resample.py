"""Anti-aliased bicubic down-sampling: how the field makes a small face out of a large one.

The kernel is Keys' cubic convolution with a = -0.5 (R. Keys, "Cubic convolution interpolation for digital image
processing", IEEE TASSP 29(6), 1981), stretched by the factor of reduction, as MATLAB's ``imresize``, Pillow and
``torch.nn.functional.interpolate(antialias=True)`` do. OpenCV has no such filter. Written as two small matrix
products, it serves whole batches and needs nothing but numpy, so that data preparation, calibration on a device and
evaluation all see the same small faces.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from .errors import InputSpecError

_KEYS_A = -0.5


def bicubic_resize(images: npt.NDArray[np.uint8], size: int) -> npt.NDArray[np.uint8]:
    """Resize images by anti-aliased bicubic interpolation.

    Args:
        images: uint8, shape (..., height, width, channels) with 1 or 3 channels, or (height, width).
        size: Rows and columns of the result.

    Returns:
        uint8 of shape (..., size, size, channels) or (size, size), rounded and clipped to 0..255.

    Raises:
        InputSpecError: The size is below 1, or the images are not of such a shape. In particular a batch of grey
            images needs its last axis of one channel: without it, rows would pass for channels.
    """
    if size < 1:
        raise InputSpecError("impossible size", expected="at least 1", found=size)
    pixels = images[..., None] if images.ndim == 2 else images
    if images.dtype != np.uint8 or pixels.ndim < 3 or pixels.shape[-1] not in (1, 3) or 0 in pixels.shape[-3:]:
        raise InputSpecError(
            "images cannot be resized",
            expected="uint8 (..., height, width, 1 or 3 channels) or (height, width), not empty",
            found=f"{images.dtype} {images.shape}",
        )
    rows = resampling_matrix(pixels.shape[-3], size)
    columns = resampling_matrix(pixels.shape[-2], size)
    resized = np.einsum("yh,...hwc,xw->...yxc", rows, pixels.astype(np.float32), columns, optimize=True)
    rounded: npt.NDArray[np.uint8] = np.clip(np.rint(resized), 0, 255).astype(np.uint8)
    return rounded[..., 0] if images.ndim == 2 else rounded


@lru_cache(maxsize=1024)
def resampling_matrix(source: int, target: int) -> npt.NDArray[np.float32]:
    """Return the weights of one axis.

    Args:
        source: Pixels along the axis before.
        target: Pixels along the axis after.

    Returns:
        float32, shape (target, source), read-only; every row sums to 1. Pixel centres are at half integers, and the
        kernel is cut off (and its weights renormalised) at the border.
    """
    scale = source / target
    support = max(scale, 1.0)  # enlarging uses the plain kernel; shrinking stretches it, which removes aliasing
    centers = (np.arange(target) + 0.5) * scale - 0.5
    distances = (np.arange(source)[None, :] - centers[:, None]) / support
    weights = _keys_kernel(np.abs(distances))
    matrix: npt.NDArray[np.float32] = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    matrix.setflags(write=False)
    return matrix


def _keys_kernel(distance: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    # Keys (1981), equation 15, with a = -1/2.
    near = (_KEYS_A + 2) * distance**3 - (_KEYS_A + 3) * distance**2 + 1
    far = _KEYS_A * (distance**3 - 5 * distance**2 + 8 * distance - 4)
    return np.where(distance <= 1, near, np.where(distance < 2, far, 0.0))
