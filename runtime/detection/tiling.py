"""Where the tiles of a large frame lie.

As in sliced inference (Akyon et al., "Slicing aided hyper inference and fine-tuning for small object detection", ICIP
2022, section 3): overlapping tiles of one size, and the whole frame once more for what is larger than the overlap.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...core.errors import UsageError

_EDGE_PX = 1.0
_EDGE_SHARE = 0.05


@dataclass(frozen=True)
class TilingConfig:
    """How frames are cut into tiles.

    Attributes:
        side: Side of the tiles in pixels of the frame; a frame that is no longer is not cut along that side.
        overlap: Pixels that neighbouring tiles share at least. A face of at most nine tenths of it lies whole, and
            clear of the edges, in some tile. Where no tile has a larger one whole, only the whole frame shows it, at
            ``max_side`` of the detector divided by the frame's longer side of its size: that should be 16 px or more
            for a face of the overlap's size.
        whole_frame: Also look at the whole frame.

    Raises:
        UsageError: A value is out of range.
    """

    side: int = 640
    overlap: int = 128
    whole_frame: bool = True

    def __post_init__(self) -> None:
        if self.side < 32:
            raise UsageError("impossible side of the tiles", expected="32 or more", found=self.side)
        if not 0 <= self.overlap <= self.side // 2:
            raise UsageError(
                "impossible overlap of the tiles", expected=f"0 to {self.side // 2}, half a tile", found=self.overlap
            )


@dataclass(frozen=True)
class Tile:
    """A part of a frame.

    Attributes:
        frame_size: Width and height of the frame in pixels.
        left: First column.
        top: First row.
        right: One past the last column.
        bottom: One past the last row.
    """

    frame_size: tuple[int, int]
    left: int
    top: int
    right: int
    bottom: int

    def cut_from(self, frame: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Return this part of a frame, a view on it."""
        return frame[self.top : self.bottom, self.left : self.right]

    def cuts(self, boxes: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
        """Tell which faces an edge of the tile may have cut.

        Args:
            boxes: float32 (N, 4), x0, y0, x1, y1 in pixels of the frame.

        Returns:
            bool (N,), whether the box comes near an edge that is not one of the frame. A network often ends the box
            of a face that it sees in part a little before the edge: near is a pixel, or a twentieth of the box.
        """
        width, height = self.frame_size
        near = np.maximum(_EDGE_PX, _EDGE_SHARE * (boxes[:, 2:] - boxes[:, :2]))
        cut = np.zeros(len(boxes), np.bool_)
        if self.left > 0:
            cut |= boxes[:, 0] < self.left + near[:, 0]
        if self.top > 0:
            cut |= boxes[:, 1] < self.top + near[:, 1]
        if self.right < width:
            cut |= boxes[:, 2] > self.right - near[:, 0]
        if self.bottom < height:
            cut |= boxes[:, 3] > self.bottom - near[:, 1]
        return cut


def tiles_of(frame_size: tuple[int, int], config: TilingConfig) -> list[Tile]:
    """Lay as few tiles as the overlap allows evenly over a frame.

    Args:
        frame_size: Width and height in pixels.
        config: Side and overlap.

    Returns:
        Tiles of one size by row, then column; together they cover the frame, and none reaches outside it.
    """
    width, height = frame_size
    columns, rows = _spans(width, config), _spans(height, config)
    return [Tile(frame_size, left, top, right, bottom) for top, bottom in rows for left, right in columns]


def _spans(length: int, config: TilingConfig) -> list[tuple[int, int]]:
    if length <= config.side:
        return [(0, length)]
    count = -(-(length - config.overlap) // (config.side - config.overlap))
    room = length - config.side  # of the last tile's start; rounding down never widens a step beyond side - overlap
    starts = [index * room // (count - 1) for index in range(count)]
    return [(start, start + config.side) for start in starts]
