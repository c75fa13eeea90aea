"""Whether a pipeline did the same at the end of a measurement as at its begin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .statistics import Float64Array, Stability, stability_of

_THIRDS = 3
_FEWEST_FRAMES = 5


@dataclass(frozen=True)
class Third:
    """A third of the measured time.

    Attributes:
        frames_per_second: Frames whose results came out.
        age_p50_ms: Median age of these results; None without any.
    """

    frames_per_second: float
    age_p50_ms: float | None


@dataclass(frozen=True)
class Steadiness:
    """What the thirds of the measured time show.

    Attributes:
        thirds: In their order.
        stability: Stable where both the rates and the median ages of the thirds lie within 10 % of each other; too
            short where one of them has fewer than five frames.
    """

    thirds: tuple[Third, ...]
    stability: Stability


def steadiness_of(ends_s: Float64Array, ages_s: Float64Array, begin_s: float, seconds: float) -> Steadiness:
    """Compare the thirds of a measurement.

    Args:
        ends_s: When each result came out, float64 (N,), on the clock of ``begin_s``.
        ages_s: How old each was then, float64 (N,).
        begin_s: When the measurement began.
        seconds: How long it was, above 0.
    """
    positions = np.clip(((ends_s - begin_s) / seconds * _THIRDS).astype(np.int64), 0, _THIRDS - 1)
    counts = [int(np.count_nonzero(positions == third)) for third in range(_THIRDS)]
    ages = [ages_s[positions == third] for third in range(_THIRDS)]
    thirds = tuple(
        Third(_THIRDS * count / seconds, float(np.median(1e3 * age_s)) if count else None)
        for count, age_s in zip(counts, ages, strict=True)
    )
    return Steadiness(thirds, Stability.TOO_SHORT if min(counts) < _FEWEST_FRAMES else _stability(thirds))


def _stability(thirds: Sequence[Third]) -> Stability:
    series = ([third.frames_per_second for third in thirds], [third.age_p50_ms or 0.0 for third in thirds])
    is_stable = all(stability_of(values) is Stability.STABLE for values in series)
    return Stability.STABLE if is_stable else Stability.DRIFTING
