"""A profile as a table, and what follows from it in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import typer

from ..runtime.profiling import LatencyClock, ProfileReport, ProfileRow
from ..runtime.profiling.accuracy import AccuracyAtSize
from ..runtime.profiling.knees import KNEE_SHARE, BatchKnee
from ..runtime.profiling.speedups import Int8Speedup
from .console import print_table
from .figures import ms
from .profile_parsing import describe_interference, describe_machine, describe_watch

_FEWEST_FOR_P99 = 100


def print_profile(report: ProfileReport) -> None:
    """Print all rows, what is inside their latencies, and what they show together."""
    parallel = any(row.streams != 1 for row in report.rows)
    metered = any(row.joules_per_thousand_faces is not None for row in report.rows)
    columns = [
        *("graph, clock", "batch", "threads", *(("streams",) if parallel else ()), "runs"),
        *("p50 ms", "± %", "p95 ms", "p99 ms", "far out", "faces/s", *(("mJ/face",) if metered else ()), "verdict"),
    ]
    providers = ", ".join(dict.fromkeys(graph.provider for graph in report.graphs))
    title = f"{report.bundle} on {describe_machine(report.environment)}, {providers}"
    print_table(title, columns, [_cells(row, parallel=parallel, metered=metered) for row in report.rows], dense=True)
    _print_accuracy(report)
    for line in (*_legend(parallel=parallel), *_findings(report), *_remarks(report)):
        typer.echo(line)


def _cells(row: ProfileRow, *, parallel: bool, metered: bool) -> list[object]:
    latency = row.latency
    interval = latency.median_interval_ms
    joules = row.joules_per_thousand_faces
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
        *(("-" if joules is None else ms(joules),) if metered else ()),
        row.stability.value,
    ]


def _print_accuracy(report: ProfileReport) -> None:
    """Print accuracy and macro F1 of every graph that was evaluated, or of FP32 as the bundle says."""
    measured = [(graph.precision.value, graph.accuracy) for graph in report.graphs if graph.accuracy]
    rows: Sequence[tuple[str, tuple[AccuracyAtSize, ...]]] = measured or [("fp32, by its bundle", report.accuracy)]
    sizes = [size.face_size_px for size in rows[0][1]]
    if not sizes:
        return
    cells = [(name, *(f"{size.accuracy:.1%} {size.macro_f1:.3f}" for size in found)) for name, found in rows]
    title = f"accuracy and macro F1, {rows[0][1][0].faces} faces of each size"
    print_table(title, ("graph", *(f"{size:g} px" for size in sizes)), cells, dense=True)


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
    for graph in report.graphs:
        if graph.agreement_with_fp32 is not None:
            yield f"{graph.precision.value} decides {graph.agreement_with_fp32:.1%} of held-out faces as fp32 does"
        if graph.agreement_by_size:
            yield "  " + ", ".join(f"{value:.1%} at {size} px" for size, value in graph.agreement_by_size.items())
    if report.accuracy_faces is None and any(graph.agreement_with_fp32 is not None for graph in report.graphs):
        yield "  its own accuracy: --data"


def _remarks(report: ProfileReport) -> Iterator[str]:
    for skipped in report.skipped:
        yield f"{skipped.precision.value} left out: {skipped.reason}"
    usable = report.environment.processor.usable_cores
    if any(row.threads * row.streams > usable for row in report.rows):
        yield f"warning: more threads than the {usable:g} cores that this process may use"
    if report.spinning:
        yield "idle threads spun, which they do not under fsrfer-run"
    yield from describe_watch(report.interference, report.machine)
    if report.layers is not None and report.layers.interference is not None:
        warning = describe_interference(report.layers.interference)
        if warning is not None:
            yield f"while the layers were measured: {warning}"
    if report.memory.peak_bytes is not None:
        yield f"memory of the process: {report.memory.peak_bytes / 2**20:.0f} MiB at most"


def _describe_speedup(speedup: Int8Speedup) -> str:
    where = _series(speedup.clock, speedup.threads, speedup.streams)
    interval = "" if speedup.interval is None else f" ({speedup.interval[0]:.2f} to {speedup.interval[1]:.2f})"
    drift = "" if speedup.is_sure else "; rows drift"
    return f"int8 is {speedup.median:.2f} times as fast as fp32{interval}: batch {speedup.batch}, {where}{drift}"


def _describe_knee(knee: BatchKnee) -> str:
    where = f"knee of {knee.precision.value} {_series(knee.clock, knee.threads, knee.streams)}"
    drift = "" if knee.is_sure else "; rows drift"
    if knee.is_open:
        return f"{where}: not up to batch {knee.batch}, {knee.faces_per_second:.0f} faces/s{drift}"
    best = f"best {knee.best_faces_per_second:.0f} at batch {knee.best_batch}"
    return f"{where}: batch {knee.batch}, {knee.faces_per_second:.0f} faces/s ({best}{drift})"


def _series(clock: LatencyClock, threads: int, streams: int) -> str:
    return f"{clock.value}, threads {threads}" + (f", streams {streams}" if streams != 1 else "")
