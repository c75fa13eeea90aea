"""Which detection is which track.

Intersection over union, the measure of SORT and ByteTrack, fails small faces: one of 8 px at 5 frames a second moves by
more than its own size. Enlarging the boxes (C-BIoU: Yang et al., arXiv 2211.14317) helps, but by the same amount for a
track whose velocity is known well and for one that was seen once. Here a pair is worth the logarithm of how much more
likely the detection lies where it does if it is the track's face than if it is another one (the assignment score of
Blackman, "Multiple hypothesis tracking for multiple target tracking", IEEE Aerospace and Electronic Systems Magazine
19(1), 2004): certain tracks accept little, new and lost ones much, and where both want a detection the certain one has
it. ``benchmarks/tracking.py`` compares the three.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...core.errors import UsageError
from .assignment import IndexArray, assign
from .motion import FloatArray, coordinates_of, sizes_of

_MISPLACED = 0.1  # standard deviation of a detected centre in sizes, outliers included


@dataclass(frozen=True)
class AssociationConfig:
    """When a detection may belong to a track. Lengths are in sizes, the root of width times height.

    Attributes:
        others: Expected number of other faces in an area of one size by one size: the fewer, the farther from the
            expected place a face is still accepted.
        max_distance: Largest distance between expected and found centre.
        size_tolerance: Standard deviation of the change of a side's logarithm.

    Raises:
        UsageError: A value is not a number above 0.
    """

    others: float = 0.01
    max_distance: float = 4.0
    size_tolerance: float = 0.2

    def __post_init__(self) -> None:
        if not all(0.0 < value < np.inf for value in (self.others, self.max_distance, self.size_tolerance)):
            raise UsageError("impossible association of faces", expected="numbers above 0", found=self)


def associate(
    expected: npt.NDArray[np.float32],
    spread_px: FloatArray,
    found: npt.NDArray[np.float32],
    config: AssociationConfig,
) -> tuple[IndexArray, IndexArray]:
    """Assign detections to tracks, so that all in all the pairs are the most likely.

    Args:
        expected: float32 (T, 4), boxes of the tracks where their motion takes them.
        spread_px: float64 (T,), standard deviation of each one's centre along one axis.
        found: float32 (N, 4), boxes of the detections.
        config: When a pair is possible.

    Returns:
        Rows of tracks and of detections that belong together, (M,) each.
    """
    tracks, detections = coordinates_of(expected), coordinates_of(found)
    near = np.maximum(sizes_of(tracks)[:, None], sizes_of(detections)) * config.max_distance
    rows, columns = np.nonzero(
        (np.abs(tracks[:, None, 0] - detections[:, 0]) < near) & (np.abs(tracks[:, None, 1] - detections[:, 1]) < near)
    )
    scores = _scores(tracks[rows], spread_px[rows], detections[columns], config)
    worth = scores > 0.0
    return assign(rows[worth], columns[worth], scores[worth])


def iou_matrix(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the intersection over union of every box of one set with every box of another.

    Args:
        a: float32 (N, 4), x0, y0, x1, y1.
        b: float32 (M, 4).

    Returns:
        float32 (N, M), 0 to 1; 0 where both boxes are empty.
    """
    widths = np.minimum(a[:, None, 2], b[:, 2]) - np.maximum(a[:, None, 0], b[:, 0])
    heights = np.minimum(a[:, None, 3], b[:, 3]) - np.maximum(a[:, None, 1], b[:, 1])
    common = np.maximum(widths, 0.0) * np.maximum(heights, 0.0)
    union = (a[:, 2:] - a[:, :2]).prod(axis=1)[:, None] + (b[:, 2:] - b[:, :2]).prod(axis=1) - common
    ratio: npt.NDArray[np.float32] = np.divide(common, union, out=np.zeros_like(common), where=union > 0.0)
    return ratio


def _scores(tracks: FloatArray, spread_px: FloatArray, detections: FloatArray, config: AssociationConfig) -> FloatArray:
    """Return the log-likelihood ratio of pairs of boxes, given as coordinates (P, 4)."""
    size = np.sqrt(sizes_of(tracks) * sizes_of(detections))
    variance = (spread_px / size) ** 2 + _MISPLACED**2
    moved, grown = (detections[:, :2] - tracks[:, :2]) / size[:, None], detections[:, 2:] - tracks[:, 2:]
    surprise = (moved**2).sum(axis=1) / variance + (grown**2).sum(axis=1) / config.size_tolerance**2
    scores: FloatArray = -0.5 * surprise - np.log(2.0 * np.pi * config.others * variance)
    return scores
