"""How long a run takes, from what was measured: single runs, or a profile of `fsrfer-profile`."""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path

import numpy as np
from batching_model import ServiceTime

from fsrfer.core.schema import from_mapping
from fsrfer.runtime.profiling import LatencyClock, ProfileReport

_BINS = (1, 2, 3, 4, 5, 6, 8, 10, 13, 16, 20, 26, 32, 40, 50, 64, 80, 100, 128, 160, 200, 256)
_LEAST_RUNS = 8
_LEVELS = np.linspace(0.0, 1.0, 201)


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
        ValueError: Nothing of the kind was measured.
    """
    report = from_mapping(
        ProfileReport, json.loads(path.read_text(encoding="utf-8")), where=str(path), error=ValueError
    )
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
