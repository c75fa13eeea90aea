"""YuNet, the anchor-free detector of libfacedetection and OpenCV's model zoo.

Wu, Peng and Yu, "YuNet: a tiny millisecond-level face detector" (Machine Intelligence Research, 2023). Every cell of
three grids predicts one face: its centre relative to the cell's corner and the logarithm of its size, both in units
of the stride, and a score that is the geometric mean of class and objectness.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from ..runner import Array
from .candidates import check_rows, finite_candidates, likely_rows
from .detections import FaceDetections
from .letterbox import PixelFormat

_STRIDES = (8, 16, 32)
_KINDS = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}  # values a cell


class YuNetHead:
    """Reads the outputs ``cls_S`` (C, 1), ``obj_S`` (C, 1), ``bbox_S`` (C, 4), ``kps_S`` (C, 10) of strides S."""

    name = "yunet"
    pixels = PixelFormat()
    score_threshold = 0.65
    max_enlargement = 3.0
    scales = (1.0, 2 / 3)
    outputs = tuple(f"{kind}_{stride}" for kind in _KINDS for stride in _STRIDES)

    def decode(
        self, outputs: Mapping[str, Array], input_size: tuple[int, int], score_threshold: float
    ) -> FaceDetections:
        """Turn the outputs for one picture into candidates in pixels of the input."""
        check_rows(outputs, _shapes(*input_size), input_size)
        levels = [_decode_level(outputs, stride, input_size[0], score_threshold) for stride in _STRIDES]
        boxes, scores, landmarks = (np.concatenate(parts) for parts in zip(*levels, strict=True))
        return finite_candidates(boxes, scores, landmarks)


def decode_boxes(
    offsets: npt.NDArray[np.float32], corners: npt.NDArray[np.float32], stride: int
) -> npt.NDArray[np.float32]:
    """Apply the network's offsets to cells of one grid.

    Args:
        offsets: float32 (N, 4), centre relative to the cell and log size, in units of the stride.
        corners: float32 (N, 2), column and row of each cell.
        stride: Pixels of the input to a cell.

    Returns:
        float32 (N, 4), x0, y0, x1, y1 in pixels of the input.
    """
    centers = corners + offsets[:, :2]
    with np.errstate(over="ignore"):  # infinity is refused with all that is no number
        half_sizes = np.exp(offsets[:, 2:]) / 2
    return np.concatenate([centers - half_sizes, centers + half_sizes], axis=1) * np.float32(stride)


def _shapes(width: int, height: int) -> dict[str, tuple[int, int]]:
    cells = {stride: (width // stride) * (height // stride) for stride in _STRIDES}
    return {f"{kind}_{stride}": (cells[stride], values) for kind, values in _KINDS.items() for stride in _STRIDES}


def _decode_level(
    outputs: Mapping[str, Array], stride: int, width: int, score_threshold: float
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    product = outputs[f"cls_{stride}"][:, 0] * outputs[f"obj_{stride}"][:, 0]
    likely = likely_rows(product, score_threshold**2)  # the root only of the few that pass
    corners = np.stack([likely % (width // stride), likely // (width // stride)], axis=1).astype(np.float32)
    landmarks = (outputs[f"kps_{stride}"][likely].reshape(-1, 5, 2) + corners[:, None]) * np.float32(stride)
    return decode_boxes(outputs[f"bbox_{stride}"][likely], corners, stride), np.sqrt(product[likely]), landmarks
