"""Faces made unrecognisable in pictures that are kept or shown."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

_CELLS = 4  # a face is averaged over as many cells along either side: nothing finer is left of it
_MARGIN = 0.2  # of the box on either side, for hair and chin


def blur_boxes(image: npt.NDArray[np.uint8], boxes: npt.NDArray[np.float32]) -> None:
    """Replace the faces of an image by blurs of a few colours, in place.

    Args:
        image: uint8 (height, width, 3).
        boxes: float32 (N, 4), x0, y0, x1, y1 in pixels; a face that is not among them stays as it is.
    """
    height, width = image.shape[:2]
    margins = _MARGIN * (boxes[:, 2:] - boxes[:, :2])
    outer = np.concatenate([np.floor(boxes[:, :2] - margins), np.ceil(boxes[:, 2:] + margins)], axis=1)
    for x0, y0, x1, y1 in np.clip(outer, 0, (width, height, width, height)).astype(int).tolist():
        if x1 > x0 and y1 > y0:
            _blur(image[y0:y1, x0:x1])


def _blur(patch: npt.NDArray[np.uint8]) -> None:
    rows, columns = patch.shape[:2]
    cells = cv2.resize(patch, (_CELLS, _CELLS), interpolation=cv2.INTER_AREA)
    blurred = cv2.resize(cells, (columns, rows), interpolation=cv2.INTER_LINEAR)
    mask = np.zeros((rows, columns), np.uint8)
    cv2.ellipse(mask, (columns // 2, rows // 2), (columns // 2, rows // 2), 0, 0, 360, 1, cv2.FILLED)
    cv2.copyTo(blurred, mask, patch)
