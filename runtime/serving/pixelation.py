"""Faces made unrecognisable before a picture leaves the process."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

CELLS = 3
"""Cells of one colour along the longer side of a face."""

_MARGIN = 0.25  # of the longer side, on all sides: hair, ears and chin tell people apart, too


def pixelate_faces(
    image: npt.NDArray[np.uint8], boxes: Iterable[npt.NDArray[np.float32]], *, margin: float = _MARGIN
) -> npt.NDArray[np.uint8]:
    """Replace faces by a few cells of their mean colours.

    Args:
        image: uint8 (height, width, 3); not changed.
        boxes: float32 (4,) each: x0, y0, x1, y1 in pixels, wherever they lie. Boxes that are not finite are an error
            of the detector, and hide the whole picture.
        margin: What to hide around a box, as a share of its longer side.

    Returns:
        A copy in which nothing inside the boxes is smaller than a third of the longer side.
    """
    hidden = image.copy()
    for box in boxes:
        x0, y0, x1, y1 = _region(box, margin, *image.shape[:2])
        if x0 < x1 and y0 < y1:
            _pixelate(hidden[y0:y1, x0:x1])
    return hidden


def _region(box: npt.NDArray[np.float32], margin: float, height: int, width: int) -> tuple[int, int, int, int]:
    if not np.isfinite(box).all():
        return 0, 0, width, height
    x0, y0, x1, y1 = box.tolist()
    around = margin * max(x1 - x0, y1 - y0)
    return (
        max(math.floor(x0 - around), 0),
        max(math.floor(y0 - around), 0),
        min(math.ceil(x1 + around), width),
        min(math.ceil(y1 + around), height),
    )


def _pixelate(region: npt.NDArray[np.uint8]) -> None:
    height, width = region.shape[:2]
    side = math.ceil(max(height, width) / CELLS)
    for y in range(0, height, side):
        for x in range(0, width, side):
            cell = region[y : y + side, x : x + side]
            cell[:] = cell.mean(axis=(0, 1)).round().astype(np.uint8)
