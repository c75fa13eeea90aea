"""Square face crops out of a frame.

OpenCV is loaded with the first crop that needs it: see :mod:`fsrfer.core.preprocess`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .errors import InputSpecError

Uint8Array = npt.NDArray[np.uint8]

UPRIGHT_FROM_PX = 16.0
"""Least side of a crop that is turned upright: below, landmarks hardly follow the tilt of a face."""

UPRIGHT_FROM_DEG = 12.0
"""Least tilt that is taken out: the model was trained on faces that are turned by up to 10 degrees."""

_FARTHEST_PX = 1_000_000
_LEAST_EYE_DISTANCE = 0.2  # of the box's longer side; 0.4 to 0.5 in a face that looks at the camera
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


def crop_upright_faces(
    frame: Uint8Array,
    boxes: npt.NDArray[np.float32],
    landmarks: npt.NDArray[np.float32],
    margin: float,
    *,
    min_side_px: float = UPRIGHT_FROM_PX,
    min_tilt_deg: float = UPRIGHT_FROM_DEG,
) -> list[Uint8Array]:
    """Cut square faces out of a frame, tilted ones along the line of their eyes.

    Crops have the size that :func:`crop_faces` gives them and, unless they are turned, are the very same. A turned one
    is about the box's middle. ``docs/detection.md`` has what it is worth, by face size and tilt.

    Args:
        frame: uint8 (height, width, 3) or (height, width).
        boxes: float32 (N, 4), x0, y0, x1, y1 in pixels of the frame; each must touch the frame.
        landmarks: float32 (N, 5, 2), x and y of the left eye, the right eye (as seen in the frame) and others.
        margin: Fraction of a box's longer side that is added on each side.
        min_side_px: Least side of a crop that is turned.
        min_tilt_deg: Least tilt that is taken out, in degrees.

    Returns:
        N crops, uint8, square, at the frame's own resolution.

    Raises:
        InputSpecError: A box does not touch the frame, or there are not as many landmarks as boxes.
    """
    if landmarks.shape != (len(boxes), 5, 2):
        raise InputSpecError("wrong landmarks", expected=f"shape ({len(boxes)}, 5, 2)", found=landmarks.shape)
    crops = crop_faces(frame, boxes, margin)
    tilts = eye_tilts(landmarks, boxes)
    for index in np.flatnonzero(np.abs(tilts) >= min_tilt_deg):
        if len(crops[index]) >= min_side_px:
            crops[index] = _turned(frame, boxes[index], len(crops[index]), float(tilts[index]))
    return crops


def eye_tilts(landmarks: npt.NDArray[np.float32], boxes: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Return by how much faces are tilted in the frame's plane.

    Args:
        landmarks: float32 (N, 5, 2), x and y of the left eye, the right eye (as seen in the frame) and others.
        boxes: float32 (N, 4), x0, y0, x1, y1.

    Returns:
        float64 (N,), degrees, above 0 where the right eye is lower; 0 where the eyes are too close to each other to
        tell, as in a profile, or not numbers.
    """
    eyes = np.where(np.isfinite(landmarks[:, :2]), landmarks[:, :2], np.nan).astype(np.float64)  # inf - inf would warn
    across = eyes[:, 1] - eyes[:, 0]
    sides = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=0.0)
    is_clear = np.hypot(across[:, 0], across[:, 1]) >= _LEAST_EYE_DISTANCE * sides  # False for what is not a number
    tilts: npt.NDArray[np.float64] = np.where(is_clear, np.degrees(np.arctan2(across[:, 1], across[:, 0])), 0.0)
    return tilts


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
    import cv2

    padded = cv2.copyMakeBorder(inside, top - y0, y1 - bottom, left - x0, x1 - right, cv2.BORDER_REPLICATE)
    return np.asarray(padded, np.uint8)


def _turned(frame: Uint8Array, box: npt.NDArray[np.float32], side: int, tilt_deg: float) -> Uint8Array:
    import cv2

    # OpenCV's coordinates are those of pixel centres, half a pixel from those of boxes.
    center_x, center_y = (float(low + high) / 2.0 - 0.5 for low, high in zip(box[:2], box[2:], strict=True))
    matrix = np.array(cv2.getRotationMatrix2D((center_x, center_y), tilt_deg, 1.0), np.float64)
    matrix[:, 2] += (side - 1) / 2.0 - np.array([center_x, center_y])
    turned = cv2.warpAffine(frame, matrix, (side, side), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(turned, np.uint8)
