"""The clean protocol of making small faces: anti-aliased bicubic down-sampling, nothing else."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from ..core.errors import InputSpecError
from ..core.resample import bicubic_resize

EVALUATION_SIZES: tuple[int, ...] = (48, 24, 16, 12, 8)
"""Native face sizes in pixels at which models are compared."""


def shrink(images: npt.NDArray[np.uint8], size: int) -> npt.NDArray[np.uint8]:
    """Make small faces out of large ones.

    Args:
        images: uint8 (..., height, width, channels) with 1 or 3 channels, or (height, width).
        size: Side of the small faces in pixels.

    Returns:
        uint8 (..., size, size, channels) or (size, size).

    Raises:
        InputSpecError: The size is below 1, or larger than an image's shorter side: that would not shrink it.
    """
    height, width = images.shape if images.ndim == 2 else images.shape[-3:-1]
    if size > min(height, width):
        raise InputSpecError("faces cannot be shrunk", expected=f"at most {min(height, width)} px", found=f"{size} px")
    return images if height == width == size else bicubic_resize(images, size)


def paper_sizes(full: int, factors: Iterable[int] = range(1, 9)) -> tuple[int, ...]:
    """Return the face sizes that down-sampling by whole factors gives, rounded up.

    For faces of 100 px, the factors 2 to 8 of Jing et al. (arXiv 2004.02234) give 50, 34, 25, 20, 17, 15 and 13 px.

    Args:
        full: Side of the full-size faces in pixels.
        factors: Down-sampling factors, each 1 or more.

    Raises:
        InputSpecError: A number is below 1.
    """
    chosen = tuple(factors)
    if full < 1 or any(factor < 1 for factor in chosen):
        raise InputSpecError("impossible size", expected="sizes and factors of 1 or more", found=f"{full}, {chosen}")
    return tuple(-(-full // factor) for factor in chosen)
