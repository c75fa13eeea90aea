"""A profile as a table, and what follows from it in words."""

from __future__ import annotations

from collections.abc import Iterator

import typer

from ..runtime.profiling import LatencyClock, ProfileReport, ProfileRow
from ..runtime.profiling.knees import KNEE_SHARE, BatchKnee
from ..runtime.profiling.report import Int8Speedup
from .console import print_table
from .figures import ms
from .profile_parsing import describe_interference, describe_machine

_FEWEST_FOR_P99 = 100


def print_profile(report: ProfileReport) -> None:
    """Print all rows, what is inside their latencies, and what they show together."""
    parallel = any(row.streams != 1 for row in report.rows)
    columns = [
        *("graph, clock", "batch", "threads", *(("streams",) if parallel else ()), "runs"),
        *("p50 ms", "± %", "p95 ms", "p99 ms", "far out", "faces/s", "verdict"),
    ]
    providers = ", ".join(dict.fromkeys(graph.provider for graph in report.graphs))
    title = f"{report.bundle} on {describe_machine(report.environment)}, {providers}"
    print_table(title, columns, [_cells(row, parallel=parallel) for row in report.rows], dense=True)
    for line in (*_legend(parallel=parallel), *_findings(report), *_remarks(report)):
        typer.echo(line)


def _cells(row: ProfileRow, *, parallel: bool) -> list[object]:
    latency = row.latency
    interval = latency.median_interval_ms
    return [
        f"{row.precision.value} {row.clock.value}",
        *(row.batch, row.threads, *((row.streams,) if parallel else ())),
        latency.runs,
        ms(latency.p50_ms),
        "-" if interval is None else f"{50.0 * (interval[1] - interval[0]) / latency.p50_ms:.1f}",
        ms(latency.p95_ms),
        ms(latency.p99_ms) if latency.runs >= _FEWEST_FOR_P99 else "-",
        latency.outliers,
        f"{row.faces_per_second:.0f}",
        row.stability.value,
    ]


def _legend(*, parallel: bool) -> Iterator[str]:
    for clock in LatencyClock:
        yield f"{clock.value:9} {clock.description}"
    yield "± %       half of the 95 % interval of the median, in percent of it; p99 needs 100 runs"
    yield "far out   runs above the third quartile by more than three times the quartiles' distance"
    if parallel:
        yield "streams   runs at the same time on one loaded graph, each from a thread of its own"
    yield f"knee      smallest batch that reaches {KNEE_SHARE:.0%} of the highest faces/s of all batches"
    yield "verdict   stable: the medians of all rounds lie within 10 %; else drifting: decide nothing by it"


def _findings(report: ProfileReport) -> Iterator[str]:
    for speedup in report.speedups:
        yield _describe_speedup(speedup)
    for knee in report.knees:
        yield _describe_knee(knee)
    interpolated, filled = 1 - report.fill.pixels, 1 - report.fill.rows
    yield f"padding: {interpolated:.0%} of the input's pixels are interpolated, {filled:.0%} of the rows filled up"
    if report.accuracy:
        yield "accuracy of fp32: " + ", ".join(
            f"{row.accuracy:.1%} at {row.face_size_px:g} px" for row in report.accuracy
        )
    for graph in report.graphs:
        if graph.agreement_with_fp32 is not None:
            yield f"{graph.precision.value} decides {graph.agreement_with_fp32:.1%} of held-out faces as fp32 does"
        if graph.agreement_by_size:
            yield "  " + ", ".join(f"{value:.1%} at {size} px" for size, value in graph.agreement_by_size.items())


def _remarks(report: ProfileReport) -> Iterator[str]:
    for skipped in report.skipped:
        yield f"{skipped.precision.value} left out: {skipped.reason}"
    usable = report.environment.processor.usable_cores
    if any(row.threads * row.streams > usable for row in report.rows):
        yield f"warning: more threads than the {usable:g} cores that this process may use"
    warning = describe_interference(report.interference)
    if warning is not None:
        yield warning
    if report.memory.peak_bytes is not None:
        yield f"memory of the process: {report.memory.peak_bytes / 2**20:.0f} MiB at most"


def _describe_speedup(speedup: Int8Speedup) -> str:
    where = _series(speedup.clock, speedup.threads, speedup.streams)
    interval = "" if speedup.interval is None else f" ({speedup.interval[0]:.2f} to {speedup.interval[1]:.2f})"
    return f"int8 is {speedup.median:.2f} times as fast as fp32{interval}: batch {speedup.batch}, {where}"


def _describe_knee(knee: BatchKnee) -> str:
    where = f"knee of {knee.precision.value} {_series(knee.clock, knee.threads, knee.streams)}"
    drift = "" if knee.is_sure else "; rows drift"
    if knee.is_open:
        return f"{where}: not up to batch {knee.batch}, {knee.faces_per_second:.0f} faces/s{drift}"
    best = f"best {knee.best_faces_per_second:.0f} at batch {knee.best_batch}"
    return f"{where}: batch {knee.batch}, {knee.faces_per_second:.0f} faces/s ({best}{drift})"


def _series(clock: LatencyClock, threads: int, streams: int) -> str:
    return f"{clock.value}, threads {threads}" + (f", streams {streams}" if streams != 1 else "")
