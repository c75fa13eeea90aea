"""INT8 against FP32, round by round."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ...core.options import Precision
from .rows import Combination, LatencyClock
from .statistics import Stability, median_interval, stability_of


@dataclass(frozen=True)
class Int8Speedup:
    """How many times faster INT8 is than FP32, compared within each round so that they share its noise.

    Attributes:
        batch: Faces in one run.
        threads: Threads inside one operator.
        clock: What is inside the latency.
        median: Median over the rounds of FP32's median latency divided by INT8's.
        interval: 95 % interval of that median; None for fewer than six rounds.
        by_round: The ratio of each round.
        streams: Runs at the same time.
        is_sure: Both rows are stable; False in files of version 2, which did not say.
    """

    batch: int
    threads: int
    clock: LatencyClock
    median: float
    interval: tuple[float, float] | None
    by_round: tuple[float, ...]
    streams: int = 1
    is_sure: bool = False


def find_speedups(rounds: Mapping[Combination, list[npt.NDArray[np.float64]]]) -> tuple[Int8Speedup, ...]:
    """Compare every combination in FP32 with the same one in INT8, where both were measured.

    Args:
        rounds: Latencies of each round in milliseconds, float64 (N,), by combination.
    """
    pairs = (
        (combination, parts, rounds.get(replace(combination, precision=Precision.INT8)))
        for combination, parts in rounds.items()
        if combination.precision is Precision.FP32
    )
    return tuple(_speedup(fp32, parts, int8) for fp32, parts, int8 in pairs if int8 is not None)


def _speedup(
    fp32: Combination, parts: list[npt.NDArray[np.float64]], int8: list[npt.NDArray[np.float64]]
) -> Int8Speedup:
    before = np.array([np.median(part) for part in parts])
    after = np.array([np.median(part) for part in int8])
    ratios = before / after
    return Int8Speedup(
        batch=fp32.batch,
        threads=fp32.threads,
        streams=fp32.streams,
        clock=fp32.clock,
        median=float(np.median(ratios)),
        interval=median_interval(ratios),
        by_round=tuple(float(ratio) for ratio in ratios),
        is_sure=all(stability_of(medians.tolist()) is Stability.STABLE for medians in (before, after)),
    )
