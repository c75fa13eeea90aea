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
        # The boxes first, then what was reserved; room for a label each and a few more.
        self._obstacles = np.concatenate([boxes, np.empty((len(boxes) + 8, 4), np.int64)])
        self._count = len(boxes)

    def reserve(self, place: Rectangle) -> None:
        """Keep labels away from a place."""
        self._obstacles[self._count] = place
        self._count += 1

    def place(self, face: int, size: tuple[int, int]) -> Rectangle | None:
        """Reserve a place for a label.

        Args:
            face: Index of its box.
            size: Width and height of the label.

        Returns:
            The place; None where there is no free one.
        """
        outside = list(self._outside(face, size))
        places = outside + list(self._inside(face, size))
        if not places:
            return None
        overlaps = _overlaps(np.array(places), self._obstacles[: self._count])
        overlaps[len(outside) :, face] = False
        free = ~overlaps.any(axis=1)
        if not free.any():
            return None
        chosen = places[int(np.argmax(free))]
        self.reserve(chosen)
        return chosen

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


def _overlaps(places: npt.NDArray[np.int64], obstacles: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Return which of P places lie on which of M obstacles: bool (P, M)."""
    x0, y0, x1, y1 = places.T[:, :, None]
    left, top, right, bottom = obstacles.T
    return np.asarray((left < x1) & (right > x0) & (top < y1) & (bottom > y0), np.bool_)
