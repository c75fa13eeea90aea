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

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...core.errors import UsageError
from .assignment import IndexArray, assign
from .motion import FloatArray, coordinates_of, sizes_of

_MISPLACED = 0.1  # standard deviation of a detected centre in sizes, outliers included


@dataclass(frozen=True)
class AssociationConfig:
    """When a detection may belong to a track.

    Attributes:
        others: Expected number of other faces in an area of one face, the root of width times height squared. The fewer
            they are, the farther from the expected place a face is still accepted.
        size_tolerance: Standard deviation of the difference between the logarithms of expected and found sides.

    Raises:
        UsageError: A value is not a number above 0.
    """

    others: float = 5e-4
    size_tolerance: float = 0.15

    def __post_init__(self) -> None:
        if not all(0.0 < value < np.inf for value in (self.others, self.size_tolerance)):
            raise UsageError("impossible association of faces", expected="numbers above 0", found=self)


Associate = Callable[
    [npt.NDArray[np.float32], FloatArray, npt.NDArray[np.float32], AssociationConfig], tuple[IndexArray, IndexArray]
]
"""What :func:`associate` is."""


def associate(
    expected: npt.NDArray[np.float32],
    spread_px: FloatArray,
    found: npt.NDArray[np.float32],
    config: AssociationConfig,
) -> tuple[IndexArray, IndexArray]:
    """Assign detections to tracks by likelihood.

    Args:
        expected: float32 (T, 4), boxes of the tracks where their motion takes them, not empty.
        spread_px: float64 (T,), standard deviation of each one's centre along one axis.
        found: float32 (N, 4), boxes of the detections, not empty.
        config: When a pair is possible.

    Returns:
        Rows of tracks and of detections that belong together, (M,) each.
    """
    tracks, detections = coordinates_of(expected), coordinates_of(found)
    sizes = sizes_of(tracks)
    variances = spread_px**2 + (_MISPLACED * sizes) ** 2
    best = -np.log(2.0 * np.pi * config.others * variances / sizes**2)  # score of a detection in the expected place
    reach = np.sqrt(2.0 * variances * np.maximum(best, 0.0))  # farther away the score is below 0
    rows, columns = _pairs_within(reach, tracks[:, :2], detections[:, :2])
    changes = detections[columns] - tracks[rows]
    scores = best[rows] - 0.5 * _squares(changes[:, :2]) / variances[rows]
    scores -= 0.5 * _squares(changes[:, 2:]) / config.size_tolerance**2
    worth = scores > 0.0
    return assign(rows[worth], columns[worth], scores[worth])


def _pairs_within(reach: FloatArray, centers: FloatArray, points: FloatArray) -> tuple[IndexArray, IndexArray]:
    """Return the pairs of centres and points that lie within the centre's reach along both axes."""
    by_x = np.argsort(points[:, 0], kind="stable")
    sorted_x = points[by_x, 0]
    first = np.searchsorted(sorted_x, centers[:, 0] - reach, side="left")
    counts = np.searchsorted(sorted_x, centers[:, 0] + reach, side="right") - first
    rows = np.repeat(np.arange(len(centers)), counts)
    # Runs of consecutive places in x order, one run a row.
    places = np.arange(len(rows)) + np.repeat(first - (np.cumsum(counts) - counts), counts)
    columns = by_x[places]
    near = np.abs(points[columns, 1] - centers[rows, 1]) <= reach[rows]
    return rows[near], columns[near]


def _squares(vectors: FloatArray) -> FloatArray:
    squares: FloatArray = np.square(vectors).sum(axis=1)
    return squares
