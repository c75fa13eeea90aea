"""Single runs and summaries in the formats of other tools, for those who have scripts that read them.

The first is what ``trtexec --exportTimes`` writes, the second what ``perf_analyzer -f`` writes; both with columns of
ours behind theirs, which say what was measured.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from io import StringIO
from pathlib import Path

from ...core.files import write_json, write_text
from .rows import Combination, ProfileRow
from .timing import TimedSeries


class TimesRecorder:
    """Keeps every run of a measurement, and writes them as ``trtexec`` does.

    On a CPU nothing is copied to a device and nothing waits in a queue: the copies of that format take no time, and
    all of a latency is computing. :class:`~fsrfer.runtime.profiling.rows.LatencyClock` says what is inside it.
    """

    def __init__(self) -> None:
        self._kept: list[tuple[Combination, int, int, TimedSeries]] = []
        self._rounds: dict[Combination, int] = {}

    def __call__(self, combination: Combination, streams: Sequence[TimedSeries]) -> None:
        """Keep the runs of one round of a combination."""
        number = self._rounds.get(combination, 0)
        self._rounds[combination] = number + 1
        self._kept.extend((combination, number, stream, series) for stream, series in enumerate(streams))

    def write(self, path: Path) -> None:
        """Write all runs in the order of their start, in milliseconds since the first one."""
        begin = min((float(series.start_ms[0]) for *_, series in self._kept), default=0.0)
        runs = [
            _run(combination, number, stream, start - begin, latency)
            for combination, number, stream, series in self._kept
            for start, latency in zip(series.start_ms.tolist(), series.latency_ms.tolist(), strict=True)
        ]
        write_json(path, sorted(runs, key=lambda run: run["startEnqMs"]))


def write_rates(path: Path, rows: Iterable[ProfileRow]) -> None:
    """Write rows as ``perf_analyzer`` does: rates in faces a second, latencies in microseconds.

    Its columns of the network and of the server's queue are left out: there is neither.
    """
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_RATE_COLUMNS)
    for row in rows:
        found = row.latency
        microseconds = (found.mean_ms, found.p50_ms, found.p90_ms, found.p95_ms, found.p99_ms)
        writer.writerow(
            (
                row.streams,
                f"{row.faces_per_second:.1f}",
                *(f"{1e3 * value:.0f}" for value in microseconds),
                row.precision.value,
                row.batch,
                row.threads,
                row.clock.value,
                found.runs,
                found.outliers,
                row.stability.value,
            )
        )
    write_text(path, text.getvalue())


_RATE_COLUMNS = (
    "Concurrency",
    "Inferences/Second",
    "Server Compute Infer",
    "p50 latency",
    "p90 latency",
    "p95 latency",
    "p99 latency",
    "Graph",
    "Batch Size",
    "Threads",
    "Clock",
    "Runs",
    "Outliers",
    "Verdict",
)


def _run(combination: Combination, number: int, stream: int, start: float, latency: float) -> dict[str, float | str]:
    end = start + latency
    return {
        "startEnqMs": start,
        "endEnqMs": end,
        "startH2dMs": start,
        "endH2dMs": start,
        "startComputeMs": start,
        "endComputeMs": end,
        "startD2hMs": end,
        "endD2hMs": end,
        "h2dMs": 0.0,
        "computeMs": latency,
        "d2hMs": 0.0,
        "latencyMs": latency,
        "graph": combination.precision.value,
        "batch": combination.batch,
        "threads": combination.threads,
        "streams": combination.streams,
        "clock": combination.clock.value,
        "round": number,
        "stream": stream,
    }
