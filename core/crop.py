"""Square face crops out of a frame."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from .errors import InputSpecError

Uint8Array = npt.NDArray[np.uint8]

_FARTHEST_PX = 1_000_000
_LARGEST_SIDE_PX = 16384  # twice the width of an 8K frame; padding a larger crop would fill the memory


def square_boxes(boxes: npt.NDArray[np.float32], margin: float) -> npt.NDArray[np.int64]:
    """Widen boxes by a margin and make them square about their centres.

    Args:
        boxes: float32 (N, 4), x0, y0, x1, y1 in pixels.
        margin: Fraction of a box's longer side that is added on each side.

    Returns:
        int64 (N, 4), x0, y0, x1, y1, each at least one pixel wide; may reach outside the frame.

    Raises:
        InputSpecError: The boxes are not finite numbers of shape (N, 4), or one is larger than any frame.
    """
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise InputSpecError("boxes cannot be cropped", expected="shape (N, 4)", found=boxes.shape)
    corners = boxes.astype(np.float64)
    _check_boxes(np.abs(corners) <= _FARTHEST_PX, corners, f"numbers within {_FARTHEST_PX} px")
    longest = np.maximum(corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1])
    sides = np.maximum(np.rint(longest * (1.0 + 2.0 * margin)), 1.0)
    _check_boxes(sides[:, None] <= _LARGEST_SIDE_PX, corners, f"at most {_LARGEST_SIDE_PX} px a side, margin included")
    lefts = np.rint((corners[:, 0] + corners[:, 2] - sides) / 2.0)
    tops = np.rint((corners[:, 1] + corners[:, 3] - sides) / 2.0)
    return np.stack([lefts, tops, lefts + sides, tops + sides], axis=1).astype(np.int64)


def crop_faces(frame: Uint8Array, boxes: npt.NDArray[np.float32], margin: float) -> list[Uint8Array]:
    """Cut square faces out of a frame.

    A crop that lies inside the frame is a view on it and copies nothing. What lies outside is filled by repeating
    the border: a black edge would be a feature that training never saw.

    Args:
        frame: uint8 (height, width, 3) or (height, width).
        boxes: float32 (N, 4), x0, y0, x1, y1 in pixels of the frame; each must touch the frame.
        margin: Fraction of a box's longer side that is added on each side.

    Returns:
        N crops, uint8, square, at the frame's own resolution.

    Raises:
        InputSpecError: A box does not touch the frame.
    """
    return [_crop(frame, tuple(int(v) for v in box)) for box in square_boxes(boxes, margin)]


def _check_boxes(usable: npt.NDArray[np.bool_], boxes: npt.NDArray[np.float64], expected: str) -> None:
    bad = np.flatnonzero(~usable.all(axis=1))  # comparisons with NaN are False, hence bad
    if len(bad):
        raise InputSpecError(f"box {bad[0]} cannot be cropped", expected=expected, found=boxes[bad[0]].tolist())


def _crop(frame: Uint8Array, box: tuple[int, ...]) -> Uint8Array:
    height, width = frame.shape[:2]
    x0, y0, x1, y1 = box
    left, top, right, bottom = max(x0, 0), max(y0, 0), min(x1, width), min(y1, height)
    if left >= right or top >= bottom:
        raise InputSpecError("box outside the frame", expected=f"a box that touches {width}x{height}", found=box)
    inside = frame[top:bottom, left:right]
    if (left, top, right, bottom) == (x0, y0, x1, y1):
        return inside
    padded = cv2.copyMakeBorder(inside, top - y0, y1 - bottom, left - x0, x1 - right, cv2.BORDER_REPLICATE)
    return np.asarray(padded, np.uint8)
