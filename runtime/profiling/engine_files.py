"""Runs and rows of an engine in the formats of other tools; see :mod:`~fsrfer.runtime.profiling.series_files`."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from io import StringIO
from pathlib import Path

from ...core.files import write_json, write_text
from .engine_profile import StagedRun
from .engine_report import EngineRow

_RATE_COLUMNS = (
    *("Concurrency", "Inferences/Second", "Server Compute Input", "Server Compute Infer", "Server Compute Output"),
    *("p50 latency", "p90 latency", "p95 latency", "p99 latency"),
    *("Batch Size", "Runs", "Outliers", "Verdict"),
)


def write_engine_times(path: Path, runs: Iterable[StagedRun]) -> None:
    """Write every run whose stages were timed as ``trtexec --exportTimes`` does, in milliseconds since the first one.

    How long each stage took is the GPU's word, and ``latencyMs`` their sum, as ``trtexec`` counts it. The GPU's clock
    and the host's have no common zero: the stages are laid one after the other so that they end with the run, and what
    is before them is the host's.

    Args:
        path: File to write.
        runs: As :func:`~fsrfer.runtime.profiling.engine_profile.profile_engine` hands them over.
    """
    ordered = sorted(runs, key=lambda run: run.start_ms)
    begin = ordered[0].start_ms if ordered else 0.0
    write_json(path, [_run(run, run.start_ms - begin) for run in ordered])


def _run(run: StagedRun, start: float) -> dict[str, float]:
    stages = run.stages
    end = start + run.whole_ms
    to_host = end - stages.to_host_ms
    compute = to_host - stages.compute_ms
    to_device = compute - stages.to_device_ms
    return {
        "startEnqMs": start,
        "endEnqMs": max(start, to_device),
        "startH2dMs": to_device,
        "endH2dMs": compute,
        "startComputeMs": compute,
        "endComputeMs": to_host,
        "startD2hMs": to_host,
        "endD2hMs": end,
        "h2dMs": stages.to_device_ms,
        "computeMs": stages.compute_ms,
        "d2hMs": stages.to_host_ms,
        "latencyMs": stages.to_device_ms + stages.compute_ms + stages.to_host_ms,
        "wholeMs": run.whole_ms,
        "batch": run.batch,
        "round": run.round,
    }


def write_engine_rates(path: Path, rows: Iterable[EngineRow]) -> None:
    """Write rows as ``perf_analyzer`` does: rates in faces a second, latencies in microseconds.

    Percentiles are those of the engine as it is served; the means of its three stages are of runs without CUDA graphs.
    """
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_RATE_COLUMNS)
    for row in rows:
        found = row.latency
        stages = (row.to_device.mean_ms, row.compute.mean_ms, row.to_host.mean_ms)
        microseconds = (*stages, found.p50_ms, found.p90_ms, found.p95_ms, found.p99_ms)
        writer.writerow(
            (
                1,
                f"{row.faces_per_second:.1f}",
                *(f"{1e3 * value:.0f}" for value in microseconds),
                row.batch,
                found.runs,
                found.outliers,
                row.stability.value,
            )
        )
    write_text(path, text.getvalue())
