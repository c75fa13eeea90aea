"""From the distribution of an activation to the range that eight bits should cover.

A range that covers everything wastes levels on outliers; one that is too narrow clips what matters. Each method
weighs that differently. A range is asymmetric, as it was seen, also for a symmetric grid: a symmetric one makes ONNX
Runtime's quantiser clip wrongly where it later drops a ReLU, and the symmetric one follows from the asymmetric, not the
other way round.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

import numpy as np
import numpy.typing as npt

from .activation_histograms import ActivationHistogram
from .int8_config import RangeMethod

Ranges = dict[str, tuple[float, float]]
"""Lowest and highest value by tensor name."""

Float64Array = npt.NDArray[np.float64]

_CANDIDATES = np.geomspace(0.05, 1.0, 97)
"""Shares of the full range that are tried, from the narrowest to all of it."""


class Grid(str, Enum):
    """How eight bits are laid over a range."""

    INT8_SYMMETRIC = "int8-symmetric"
    """-127 to 127 with zero in the middle: what TensorRT takes. Half of it is unused behind a ReLU."""

    UINT8_ASYMMETRIC = "uint8-asymmetric"
    """0 to 255 from the lowest to the highest value: what CPUs are fast with."""


def select_range(
    histogram: ActivationHistogram, method: RangeMethod, grid: Grid, percentile: float = 100.0
) -> tuple[float, float]:
    """Return the range of an activation that eight bits should cover; zero is always in it.

    Args:
        histogram: What was seen.
        method: What is weighed.
        grid: What the range is for; MSE and entropy depend on it.
        percentile: For that method, what part of the values lies inside, in percent.
    """
    full = min(histogram.low, 0.0), max(histogram.high, 0.0)
    if method is RangeMethod.MINMAX:
        return full
    if method is RangeMethod.PERCENTILE:
        tail = (1.0 - percentile / 100.0) / 2
        return min(histogram.quantile(tail), 0.0), max(histogram.quantile(1.0 - tail), 0.0)
    cost = _squared_error if method is RangeMethod.MSE else _divergence
    candidates = [_narrowed(full, share, grid) for share in _CANDIDATES]
    low, high = min(candidates, key=lambda candidate: cost(histogram, candidate, grid))
    return float(low), float(high)


def select_ranges(
    histograms: Mapping[str, ActivationHistogram], method: RangeMethod, grid: Grid, percentile: float = 100.0
) -> Ranges:
    """Return the range of every activation; see :func:`select_range`."""
    return {name: select_range(histogram, method, grid, percentile) for name, histogram in histograms.items()}


def _narrowed(full: tuple[float, float], share: float, grid: Grid) -> tuple[float, float]:
    low, high = full
    if grid is Grid.UINT8_ASYMMETRIC:
        return share * low, share * high
    bound = share * max(-low, high)
    return max(low, -bound), min(high, bound)


def _levels(values: Float64Array, bounds: tuple[float, float], grid: Grid) -> tuple[npt.NDArray[np.int64], float]:
    """Return the level of each value, counted from zero, and the size of a level."""
    low, high = bounds
    if grid is Grid.INT8_SYMMETRIC:
        step = max(-low, high, 1e-12) / 127
        return np.clip(np.rint(values / step), -127, 127).astype(np.int64), step
    step = max(high - low, 1e-12) / 255
    zero = round(-low / step)
    return np.clip(np.rint(values / step), -zero, 255 - zero).astype(np.int64), step


def _squared_error(histogram: ActivationHistogram, bounds: tuple[float, float], grid: Grid) -> float:
    """Mean squared difference of the values and their quantised forms."""
    values = histogram.centers
    levels, step = _levels(values, bounds, grid)
    return float((histogram.counts * np.square(values - levels * step)).sum() / histogram.counts.sum())


def _divergence(histogram: ActivationHistogram, bounds: tuple[float, float], grid: Grid) -> float:
    """Kullback-Leibler divergence of the quantised distribution from the one that was seen, in nats.

    Migacz, "8-bit inference with TensorRT" (GTC 2017): outliers are counted at the edge of the reference; in the
    quantised distribution each level's mass spreads evenly over those of its bins that are not empty. Exact zeros,
    most of what a ReLU gives, are kept by any range and say nothing about it: their bin is left out.
    """
    values = histogram.centers
    step = (histogram.high - histogram.low) / len(values)
    counts = np.where(np.abs(values) <= step, 0, histogram.counts).astype(np.float64)
    inside = (values >= bounds[0] - step) & (values <= bounds[1] + step)
    seen = np.where(inside, counts, 0.0)
    if not seen.any():
        return float("inf")
    levels = _levels(values[inside], bounds, grid)[0]
    levels -= levels.min()
    filled = seen[inside] > 0
    mass = np.bincount(levels, seen[inside])
    width = np.bincount(levels, filled)
    quantized = np.where(filled, (mass / np.maximum(width, 1))[levels], 0.0)
    reference = seen[inside]
    positions = np.flatnonzero(inside)
    reference[0] += counts[: positions[0]].sum()
    reference[-1] += counts[positions[-1] + 1 :].sum()
    p = reference / reference.sum()
    q = quantized / quantized.sum()
    taken = p > 0
    return float((p[taken] * np.log(p[taken] / np.maximum(q[taken], 1e-9))).sum())
