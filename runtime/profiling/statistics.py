"""What a series of latencies says, and how sure that is.

Latencies are skewed and have outliers, so the median and its interval stand for them and not a mean with a standard
deviation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt

from ...core.errors import InputSpecError

Float64Array = npt.NDArray[np.float64]

MIN_WINDOWS = 3
MAX_SPREAD = 0.10
_EXACT_UP_TO = 1000
_EXACT_RANKS_UP_TO = 20
_FAR_OUT = 3.0


class Stability(str, Enum):
    """Whether the latency stayed where it was while it was measured."""

    STABLE = "stable"
    DRIFTING = "drifting"
    TOO_SHORT = "too short"


@dataclass(frozen=True)
class LatencySummary:
    """A series of latencies, in milliseconds.

    Attributes:
        runs: How many there are.
        min_ms: The shortest.
        mean_ms: Their mean.
        p50_ms: Their median; percentiles between two runs are interpolated linearly.
        p90_ms: Nine of ten are shorter.
        p95_ms: 95 of a hundred are shorter.
        p99_ms: 99 of a hundred are shorter; nearly the longest where there are fewer than a hundred.
        max_ms: The longest.
        median_interval_ms: 95 % interval of the median; None for fewer than six runs.
        outliers: Runs above the third quartile by more than three times the quartiles' distance: "far out" after
            Tukey ("Exploratory data analysis", 1977). They are counted, and left where they are.
    """

    runs: int
    min_ms: float
    mean_ms: float
    p50_ms: float
    p90_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    median_interval_ms: tuple[float, float] | None
    outliers: int


def summarize(latencies_ms: Float64Array) -> LatencySummary:
    """Summarise latencies.

    Args:
        latencies_ms: float64 (N,), N of 1 or more.

    Raises:
        InputSpecError: There are none.
    """
    if latencies_ms.ndim != 1 or len(latencies_ms) == 0:
        raise InputSpecError(
            "latencies cannot be summarised", expected="shape (N,), not empty", found=latencies_ms.shape
        )
    p90, p95, p99 = (float(value) for value in np.percentile(latencies_ms, [90, 95, 99]))
    return LatencySummary(
        runs=len(latencies_ms),
        min_ms=float(latencies_ms.min()),
        mean_ms=float(latencies_ms.mean()),
        p50_ms=float(np.median(latencies_ms)),
        p90_ms=p90,
        p95_ms=p95,
        p99_ms=p99,
        max_ms=float(latencies_ms.max()),
        median_interval_ms=median_interval(latencies_ms),
        outliers=count_outliers(latencies_ms),
    )


def count_outliers(values: Float64Array) -> int:
    """Count the values that lie far above the others: above the third quartile by three quartile distances.

    Args:
        values: float64 (N,), N of 1 or more.
    """
    first, third = np.percentile(values, [25, 75])
    return int(np.count_nonzero(values > third + _FAR_OUT * (third - first)))


def median_interval(values: Float64Array) -> tuple[float, float] | None:
    """Return the 95 % interval of the median, which supposes nothing about the distribution but independent values.

    The number of values below the median is binomial with p = 1/2, so the d-th smallest and the d-th largest value
    enclose it unless fewer than d fell on one side (David and Nagaraja, "Order statistics", 3rd ed., section 7.1).

    Args:
        values: float64 (N,).

    Returns:
        Its lower and its upper end; None for fewer than six values, which no such interval exists for.
    """
    depth = _interval_depth(len(values))
    if depth == 0:
        return None
    ordered = np.sort(values)
    return float(ordered[depth - 1]), float(ordered[-depth])


def ratio_interval(before: Float64Array, after: Float64Array) -> tuple[float, float] | None:
    """Return the 95 % interval of the factor by which a quantity changed, from independent samples of it.

    That of Hodges and Lehmann's estimate, by inverting Mann and Whitney's rank test on the logarithms: it supposes that
    the two distributions differ by a factor, and nothing about their form (Hollander, Wolfe and Chicken,
    "Nonparametric statistical methods", 3rd ed., section 4.3).

    Args:
        before: float64 (N,), above 0.
        after: float64 (M,), above 0.

    Returns:
        Its lower and its upper end; None for samples that are too few for any such interval (three and three, say).
    """
    depth = _rank_depth(len(before), len(after))
    if depth == 0:
        return None
    ratios = np.sort((after[None, :] / before[:, None]).ravel())
    return float(ratios[depth - 1]), float(ratios[-depth])


def ratio_estimate(before: Float64Array, after: Float64Array) -> float:
    """Return the factor by which a quantity changed: the median of all ratios (Hodges and Lehmann's estimate).

    Args:
        before: float64 (N,), above 0, N of 1 or more.
        after: float64 (M,), above 0, M of 1 or more.
    """
    return float(np.median(after[None, :] / before[:, None]))


def stability_of(window_medians_ms: Sequence[float]) -> Stability:
    """Judge a series by the medians of its windows: stable where the largest is within 10 % of the smallest.

    Args:
        window_medians_ms: Medians of successive parts of the series.
    """
    if len(window_medians_ms) < MIN_WINDOWS:
        return Stability.TOO_SHORT
    is_stable = max(window_medians_ms) <= (1.0 + MAX_SPREAD) * min(window_medians_ms)
    return Stability.STABLE if is_stable else Stability.DRIFTING


def _interval_depth(count: int) -> int:
    # The largest d with P(Binomial(count, 1/2) < d) <= 2.5 %.
    if count > _EXACT_UP_TO:
        return math.floor(count / 2 - 1.959964 * math.sqrt(count) / 2)
    total, limit, depth = 0, 2**count, 0
    while True:
        total += math.comb(count, depth)
        if 40 * total > limit:
            return depth
        depth += 1


def _rank_depth(first: int, second: int) -> int:
    # The largest d with P(U < d) <= 2.5 %, where U counts the pairs that are in the wrong order.
    if first * second == 0:
        return 0
    if min(first, second) > _EXACT_RANKS_UP_TO:
        spread = math.sqrt(first * second * (first + second + 1) / 12)
        return math.floor(first * second / 2 - 1.959964 * spread)
    ways = _rank_counts(first, second)
    total, depth = 0, 0
    while 40 * (total + ways[depth]) <= math.comb(first + second, first):
        total += ways[depth]
        depth += 1
    return depth


def _rank_counts(first: int, second: int) -> list[int]:
    # How many orders have U wrong pairs: the largest value is of the first sample, and stands above all `right` values
    # of the other one, or it is of the second.
    length = first * second + 1
    counts = [[1] + [0] * (length - 1) for _ in range(second + 1)]
    for _ in range(first):
        for right in range(1, second + 1):
            of_first = ([0] * right + counts[right])[:length]
            counts[right] = [a + b for a, b in zip(of_first, counts[right - 1], strict=True)]
    return counts[second]
