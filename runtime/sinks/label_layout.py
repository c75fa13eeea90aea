"""Where the labels of a crowd go, so that they cover neither each other nor faces."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Rectangle = tuple[int, int, int, int]
"""x0, y0, x1, y1 in pixels of the canvas."""


class LabelLayout:
    """Finds free places for labels beside their boxes.

    Args:
        width: Columns of the canvas.
        height: Rows of the canvas.
        boxes: int (N, 4), all boxes; a label may lie inside its own, but never on another.
    """

    def __init__(self, width: int, height: int, boxes: npt.NDArray[np.int64]) -> None:
        self._width = width
        self._height = height
        self._boxes = boxes
        self._labels = np.empty((len(boxes), 4), np.int64)
        self._count = 0

    def place(self, face: int, size: tuple[int, int]) -> Rectangle | None:
        """Reserve a place for a label.

        Args:
            face: Index of its box.
            size: Width and height of the label.

        Returns:
            The place; None where there is no free one.
        """
        for places, forbidden in (
            (self._outside(face, size), self._boxes),
            (self._inside(face, size), np.delete(self._boxes, face, axis=0)),
        ):
            for place in places:
                if not _overlaps(place, self._labels[: self._count]) and not _overlaps(place, forbidden):
                    self._labels[self._count] = place
                    self._count += 1
                    return place
        return None

    def _outside(self, face: int, size: tuple[int, int]) -> Iterator[Rectangle]:
        (x0, y0, x1, y1), (width, height) = self._boxes[face].tolist(), size
        corners = (
            (x0, y0 - height),
            (x0, y1),
            (x1 - width, y0 - height),
            (x1 - width, y1),
            (x1, y0),
            (x0 - width, y0),
            (x1, y1 - height),
            (x0 - width, y1 - height),
        )
        for left, top in corners:
            inner = min(max(left, 0), self._width - width)
            if inner >= 0 and 0 <= top <= self._height - height:
                yield inner, top, inner + width, top + height

    def _inside(self, face: int, size: tuple[int, int]) -> Iterator[Rectangle]:
        (x0, y0, x1, y1), (width, height) = self._boxes[face].tolist(), size
        if 3 * height <= y1 - y0 and width <= x1 - x0:  # a small face would be covered
            left = min(max(x0, 0), self._width - width)
            for top in (max(y0, 0), min(y1, self._height) - height):
                yield left, top, left + width, top + height


def _overlaps(place: Rectangle, rectangles: npt.NDArray[np.int64]) -> bool:
    x0, y0, x1, y1 = place
    apart = (rectangles[:, 0] >= x1) | (rectangles[:, 2] <= x0) | (rectangles[:, 1] >= y1) | (rectangles[:, 3] <= y0)
    return not bool(apart.all())
