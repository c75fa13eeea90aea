"""How long a run takes, from what was measured: single runs, or a profile of `fsrfer-profile`."""

from __future__ import annotations

import itertools
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fsrfer.runtime.profiling import LatencyClock
from fsrfer.runtime.profiling.report_file import read_profile

_BINS = (1, 2, 3, 4, 5, 6, 8, 10, 13, 16, 20, 26, 32, 40, 50, 64, 80, 100, 128, 160, 200, 256)
_LEAST_RUNS = 8
_LEVELS = np.linspace(0.0, 1.0, 201)


Array = np.ndarray


@dataclass(frozen=True)
class ServiceTime:
    """How long a run takes.

    Attributes:
        faces: Sizes of batches that were measured, rising.
        mean_s: Mean time of each; linear between them, and beyond them as between the last two.
        levels: Levels of quantiles from 0 to 1, rising.
        ratios: Time over mean time at each level; scaled so that their mean is 1.
        gap_s: Time after a run before the same instance can begin another; its answers are out by then.
    """

    faces: tuple[float, ...]
    mean_s: tuple[float, ...]
    levels: tuple[float, ...] = (0.0, 1.0)
    ratios: tuple[float, ...] = (1.0, 1.0)
    gap_s: float = 0.0

    def __post_init__(self) -> None:
        lengths_fit = len(self.faces) == len(self.mean_s) >= 1 and len(self.levels) == len(self.ratios) >= 2
        if not lengths_fit or np.any(np.diff(self.faces) <= 0) or np.any(np.diff(self.levels) < 0):
            raise ValueError("measured batches and levels have to rise, with a time for each")

    @classmethod
    def linear(cls, fixed_s: float, face_s: float, max_batch: int) -> ServiceTime:
        """Return a time of fixed_s + face_s for each face, without any spread."""
        return cls((0.0, float(max_batch)), (fixed_s, fixed_s + face_s * max_batch))

    def with_run_overhead(self, seconds: float) -> ServiceTime:
        """Return the times of runs that all take so much longer."""
        return replace(self, mean_s=tuple(mean_s + seconds for mean_s in self.mean_s))

    def means(self, largest: int) -> Array:
        """Return the mean time of a run of 0, 1, ... faces: float64 (largest + 1,)."""
        sizes = np.arange(largest + 1, dtype=np.float64)
        times = np.interp(sizes, self.faces, self.mean_s)
        if len(self.faces) > 1:
            slope = (self.mean_s[-1] - self.mean_s[-2]) / (self.faces[-1] - self.faces[-2])
            times += np.maximum(sizes - self.faces[-1], 0.0) * max(slope, 0.0)
        return times

    def factors(self, count: int, rng: np.random.Generator) -> Array:
        """Draw so many times over their mean: float64 (count,)."""
        levels, ratios = np.asarray(self.levels), np.asarray(self.ratios)
        mean = np.sum(np.diff(levels) * (ratios[1:] + ratios[:-1]) / 2) / (levels[-1] - levels[0])
        return np.interp(rng.uniform(levels[0], levels[-1], count), levels, ratios) / mean


def from_runs(faces: np.ndarray, seconds: np.ndarray, gap_s: float = 0.0) -> ServiceTime:
    """Take means over sizes that are near each other, and the spread around them.

    Args:
        faces: Of each run: int (N,).
        seconds: Time of each run: float64 (N,).
        gap_s: Time between two runs.

    Raises:
        ValueError: There are fewer than eight runs of every size.
    """
    sizes, means_s = [], []
    for first, beyond in itertools.pairwise((*_BINS, sys.maxsize)):
        inside = (faces >= first) & (faces < beyond)
        if np.sum(inside) >= _LEAST_RUNS:
            sizes.append(float(np.mean(faces[inside])))
            means_s.append(float(np.mean(seconds[inside])))
    if not sizes:
        raise ValueError(f"fewer than {_LEAST_RUNS} runs of every size")
    means_s = np.maximum.accumulate(means_s).tolist()  # a larger batch is not faster: that is noise
    expected_s = ServiceTime(tuple(sizes), tuple(means_s)).means(int(faces.max()))[faces]
    ratios = np.quantile(seconds / expected_s, _LEVELS)
    return ServiceTime(tuple(sizes), tuple(means_s), tuple(_LEVELS.tolist()), tuple(ratios.tolist()), gap_s)


def from_profile(path: Path, precision: str, threads: int) -> ServiceTime:
    """Take the times of a profile: of the graph alone, without what a server adds to it.

    Args:
        path: JSON file of `fsrfer-profile`.
        precision: Number format.
        threads: Threads inside one operator.

    Raises:
        UsageError: It is no profile, or of another version.
        ValueError: Nothing of the kind was measured.
    """
    report = read_profile(path)
    rows = sorted(
        (
            row
            for row in report.rows
            if row.precision.value == precision and row.threads == threads and row.clock is LatencyClock.MODEL
        ),
        key=lambda row: row.batch,
    )
    if not rows:
        raise ValueError(f"{path} has no {precision} with {threads} threads")
    quantiles = [
        (
            row.latency.min_ms,
            row.latency.p50_ms,
            row.latency.p90_ms,
            row.latency.p95_ms,
            row.latency.p99_ms,
            row.latency.max_ms,
        )
        for row in rows
    ]
    ratios = np.median(
        [np.array(known) / row.latency.mean_ms for known, row in zip(quantiles, rows, strict=True)], axis=0
    )
    return ServiceTime(
        faces=tuple(float(row.batch) for row in rows),
        mean_s=tuple(row.latency.mean_ms / 1e3 for row in rows),
        levels=(0.0, 0.5, 0.9, 0.95, 0.99, 1.0),
        ratios=tuple(ratios.tolist()),
    )
