"""``fsrfer-profile model``: latency and throughput of a bundle's graphs, alone and with what surrounds them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from ..core.bundle import ModelBundle
from ..core.errors import UsageError
from ..core.files import write_json
from ..core.options import Precision
from ..core.schema import to_mapping
from ..runtime.profiling import ProfileConfig, ProfileReport, ProfileRow, profile_bundle
from ..runtime.profiling.report import Int8Speedup
from ..runtime.profiling.rows import LatencyClock
from .console import NOTES, print_json, print_table, progress_bar
from .figures import ms

_FEWEST_FOR_P99 = 100


def model(
    bundle: Annotated[Path, typer.Argument(help="Bundle with a fused graph.", show_default=False)],
    precision: Annotated[
        str | None, typer.Option(help="Number formats, such as fp32,int8.  [default: all that the bundle has]")
    ] = None,
    batch: Annotated[str, typer.Option(help="Faces in one run, such as 1,8,32.")] = "1,8,32",
    threads: Annotated[str, typer.Option(help="Threads inside one operator, such as 1,2,4.")] = "1",
    seconds: Annotated[float, typer.Option(help="Time of each row of the table.")] = 2.0,
    warmup: Annotated[float, typer.Option(help="Untimed seconds of each row before.")] = 0.5,
    json_path: Annotated[
        str | None, typer.Option("--json", help="Also write the report to a file; - prints it instead of the table.")
    ] = None,
) -> None:
    """Measure a bundle's graphs on this machine's CPU, alone and with what surrounds them in fsrfer-run.

    All combinations take turns, so that what else the machine does falls on all of them alike.
    """
    config = ProfileConfig(
        precisions=() if precision is None else _parse_list(precision, "--precision", Precision, "fp32,int8"),
        batches=_parse_list(batch, "--batch", int, "1,8,32"),
        threads=_parse_list(threads, "--threads", int, "1,2"),
        seconds=seconds,
        warmup_seconds=warmup,
    )
    if json_path is not None and json_path != "-":
        _check_writable(Path(json_path))
    loaded = ModelBundle.load(bundle)
    with progress_bar() as progress:
        task = progress.add_task("measuring", total=None, visible=False)
        report = profile_bundle(
            loaded, config, lambda done, total: progress.update(task, completed=done, total=total, visible=True)
        )
    if json_path == "-":
        print_json(to_mapping(report))
        return
    _print_report(report)
    if json_path is not None:
        write_json(Path(json_path), to_mapping(report))
        NOTES.print(f"wrote {json_path}", markup=False, soft_wrap=True)


def _check_writable(path: Path) -> None:
    """Find out before measuring what would lose the measurement afterwards."""
    if path.is_dir():
        raise UsageError("--json names a folder", expected="a file, or -", found=path)
    there = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    if not os.access(there, os.W_OK) or (there != path and not there.is_dir()):
        raise UsageError("--json cannot be written", expected="a file in a folder that may be written", found=path)


def _parse_list(text: str, option: str, read: Callable[[str], Any], example: str) -> tuple[Any, ...]:
    try:
        return tuple(read(word.strip()) for word in text.split(","))
    except ValueError as problem:
        raise UsageError(f"{option} cannot be read", expected=f"a list such as {example}", found=text) from problem


def _print_report(report: ProfileReport) -> None:
    columns = ("graph", "batch", "threads", "clock", "runs", "p50 ms", "± %", "p95 ms", "p99 ms", "faces/s", "verdict")
    print_table(f"{report.bundle} on {_machine(report)}", columns, [_cells(row) for row in report.rows])
    for clock in LatencyClock:
        typer.echo(f"{clock.value:9} {clock.description}")
    typer.echo("± %       half of the 95 % interval of the median, in percent of it; p99 needs 100 runs")
    typer.echo("verdict   stable: the medians of all rounds lie within 10 %; else drifting")
    for speedup in report.speedups:
        typer.echo(_describe_speedup(speedup))
    for graph in report.graphs:
        if graph.agreement_with_fp32 is not None:
            typer.echo(
                f"{graph.precision.value} decides {graph.agreement_with_fp32:.1%} of held-out faces as fp32 does"
            )
    for skipped in report.skipped:
        typer.echo(f"{skipped.precision.value} left out: {skipped.reason}")
    usable = report.environment.processor.usable_cores
    if any(row.threads > usable for row in report.rows):
        typer.echo(f"warning: more threads than the {usable:g} cores that this process may use")
    if report.memory.peak_bytes is not None:
        typer.echo(f"memory of the process: {report.memory.peak_bytes / 2**20:.0f} MiB at most")


def _machine(report: ProfileReport) -> str:
    environment = report.environment
    version = environment.packages.get("onnxruntime") or environment.packages.get("onnxruntime-gpu")
    providers = ", ".join(dict.fromkeys(graph.provider for graph in report.graphs))
    processor = environment.processor
    name = processor.model or environment.machine
    return f"{name}, {processor.usable_cores:g} cores, ONNX Runtime {version}, {providers}"


def _cells(row: ProfileRow) -> tuple[object, ...]:
    latency = row.latency
    interval = latency.median_interval_ms
    return (
        row.precision.value,
        row.batch,
        row.threads,
        row.clock.value,
        latency.runs,
        ms(latency.p50_ms),
        "-" if interval is None else f"{50.0 * (interval[1] - interval[0]) / latency.p50_ms:.1f}",
        ms(latency.p95_ms),
        ms(latency.p99_ms) if latency.runs >= _FEWEST_FOR_P99 else "-",
        f"{row.faces_per_second:.0f}",
        row.stability.value,
    )


def _describe_speedup(speedup: Int8Speedup) -> str:
    where = f"{speedup.clock.value}, batch {speedup.batch}, threads {speedup.threads}"
    interval = "" if speedup.interval is None else f" ({speedup.interval[0]:.2f} to {speedup.interval[1]:.2f})"
    return f"int8 is {speedup.median:.2f} times as fast as fp32{interval}: {where}"
