"""The batch from which on larger ones gain little."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ...core.options import Precision
from .rows import LatencyClock, ProfileRow
from .statistics import Stability

KNEE_SHARE = 0.95


@dataclass(frozen=True)
class BatchKnee:
    """The smallest measured batch that reaches 95 % of the highest faces/s of all measured batches.

    Attributes:
        precision: Number format of the graph.
        threads: Threads inside one operator.
        streams: Runs at the same time.
        clock: What is inside the latency.
        batch: That batch.
        faces_per_second: What it reaches.
        best_batch: The batch with the highest faces/s.
        best_faces_per_second: What that one reaches.
        is_open: It is the largest batch that was measured: larger ones may be better still.
        is_sure: All the rows that it was found from are stable.
    """

    precision: Precision
    threads: int
    streams: int
    clock: LatencyClock
    batch: int
    faces_per_second: float
    best_batch: int
    best_faces_per_second: float
    is_open: bool
    is_sure: bool


def find_knees(rows: Iterable[ProfileRow]) -> tuple[BatchKnee, ...]:
    """Find the knee of every series of rows that differ in the batch alone, where there are two or more."""
    series: dict[tuple[Precision, int, int, LatencyClock], list[ProfileRow]] = {}
    for row in rows:
        series.setdefault((row.precision, row.threads, row.streams, row.clock), []).append(row)
    return tuple(_knee(group) for group in series.values() if len(group) > 1)


def _knee(rows: list[ProfileRow]) -> BatchKnee:
    best = max(rows, key=lambda row: row.faces_per_second)
    reaching = [row for row in rows if row.faces_per_second >= KNEE_SHARE * best.faces_per_second]
    knee = min(reaching, key=lambda row: row.batch)
    return BatchKnee(
        precision=knee.precision,
        threads=knee.threads,
        streams=knee.streams,
        clock=knee.clock,
        batch=knee.batch,
        faces_per_second=knee.faces_per_second,
        best_batch=best.batch,
        best_faces_per_second=best.faces_per_second,
        is_open=knee.batch == max(row.batch for row in rows),
        is_sure=all(row.stability is Stability.STABLE for row in rows),
    )
