"""Times of layers as tables, and what follows from them in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import fill

import typer

from ..runtime.profiling.layer_comparison import LayerComparison, LayerPair, compare_layers
from ..runtime.profiling.layer_report import LayerReport, LayerRun, LayerTime
from .console import print_table
from .figures import ms

_SMALL_SHARE = 0.005
_MOST_REASONS = 5
_LINE = 100

_LEGEND = (
    "ms        median of a layer's time, traced; ± % half of its 95 % interval, in percent of it",
    "% peak    its multiply-accumulates (two operations each) against the fastest matrix product of the same format",
    "ops/B     operations for each byte of inputs, weights and outputs",
    "% roof    part of its time that the roofline explains: the operations at the peak, or a copy of as many bytes",
)


def print_layers(report: LayerReport, *, every: bool) -> None:
    """Print the layers of all graphs, then FP32 beside INT8 where both are there.

    Args:
        report: What was measured.
        every: Also list layers that take less than half a percent.
    """
    for run in report.runs:
        _print_run(run, report, every=every)
    for line in _LEGEND:
        typer.echo(line)
    comparisons = compare_layers(report)
    if comparisons:
        _print_comparisons(comparisons, every=every)
    for peak in report.peaks:
        shape = "x".join(str(length) for length in peak.shape)
        typer.echo(f"peak of {peak.number_format}, threads {peak.threads}: {peak.gops:.0f} GOP/s ({shape})")
    for threads in dict.fromkeys(copy.threads for copy in report.copies):
        speeds = (
            f"{copy.gb_per_second:.0f} at {_size(copy.moved_bytes)}"
            for copy in report.copies
            if copy.threads == threads
        )
        typer.echo(f"copy, threads {threads}, GB/s: {', '.join(speeds)}")


def _print_run(run: LayerRun, report: LayerReport, *, every: bool) -> None:
    columns = ("layer", "ms", "± %", "share", "MMAC", "GOP/s", "% peak", "ops/B", "% roof", "bound")
    shown = [layer for layer in run.layers if every or layer.share >= _SMALL_SHARE]
    rows = [_cells(layer, run, report) for layer in shown]
    if len(shown) < len(run.layers):
        small = [layer for layer in run.layers if layer.share < _SMALL_SHARE]
        share = sum(layer.share for layer in small)
        rows.append(
            (f"{len(small)} small ones", ms(sum(layer.median_ms for layer in small)), "", f"{share:.1%}", *[""] * 6)
        )
    title = f"{run.precision.value}, batch {run.batch}, threads {run.threads}: {run.runs} traced runs"
    print_table(title, columns, rows, dense=True)
    total = sum(layer.median_ms for layer in run.layers)
    roles = ", ".join(f"{role.value} {time / total:.1%}" for role, time in run.role_ms().items())
    typer.echo(fill(f"by part of the network: {roles}", _LINE, subsequent_indent="  "))
    typer.echo(f"untraced {ms(run.untraced_ms)} ms ({run.stability.value}), traced {ms(run.traced_ms)} ms")
    for line in _reasons(run):
        typer.echo(line)
    typer.echo("")


def _cells(layer: LayerTime, run: LayerRun, report: LayerReport) -> tuple[object, ...]:
    peak = report.peak_of(layer.number_format, run.threads)
    interval = layer.interval_ms
    return (
        layer.name,
        ms(layer.median_ms),
        "-"
        if interval is None or layer.median_ms == 0
        else f"{50 * (interval[1] - interval[0]) / layer.median_ms:.1f}",
        f"{layer.share:.1%}",
        f"{layer.macs / 1e6:.1f}" if layer.macs else "",
        f"{layer.gops:.0f}" if layer.gops is not None else "",
        f"{100 * layer.gops / peak.gops:.0f}" if layer.gops is not None and peak is not None else "",
        f"{layer.intensity:.0f}" if layer.intensity is not None else "",
        f"{100 * layer.roof_share:.0f}",
        layer.bound.value,
    )


def _reasons(run: LayerRun) -> Iterator[str]:
    yield (
        f"{run.gops:.0f} GOP/s: {run.peak_share:.0%} of the peak of "
        f"{'int8' if run.precision.value == 'int8' else 'float32'} with as many threads; the time goes to:"
    )
    for part in run.account:
        if part.share >= _SMALL_SHARE or part.share <= -_SMALL_SHARE:
            beyond = " beyond the peak" if part.what in ("convolution", "dense") else ""
            yield f"  {part.share:6.1%}  {ms(part.lost_ms)} ms  {part.what}{beyond}"


def _print_comparisons(comparisons: Sequence[LayerComparison], *, every: bool) -> None:
    columns = ["layer"]
    for one in comparisons:
        columns += [f"fp32 {one.threads}t", f"int8 {one.threads}t", f"times {one.threads}t"]
    if len(comparisons) > 1:
        columns += ["fp32 scales", "int8 scales"]
    by_name = [{pair.name: pair for pair in one.pairs} for one in comparisons]
    names = [
        name
        for name in by_name[0]
        if every or any(_is_notable(one, pairs[name]) for one, pairs in zip(comparisons, by_name, strict=True))
    ]
    rows = [_side_by_side([pairs[name] for pairs in by_name]) for name in names]
    print_table("int8 beside fp32, ms", columns, rows, dense=True)
    if len(comparisons) > 1:
        first, last = comparisons[0].threads, comparisons[-1].threads
        typer.echo(f"scales    time with threads {first} over time with threads {last}")
    for one in comparisons:
        gain = f"int8 is {one.speedup:.2f} times as fast, at the peak {one.peak_ratio:.2f}"
        typer.echo(f"threads {one.threads}: {gain}; ms lost against the gain at the peak:")
        for pair in one.most_excess(_MOST_REASONS):
            typer.echo(f"  {ms(pair.excess_ms)}  {pair.name}")
    typer.echo("")


def _is_notable(comparison: LayerComparison, pair: LayerPair) -> bool:
    fp32_ms = sum(one.fp32_ms for one in comparison.pairs)
    int8_ms = sum(one.int8_ms for one in comparison.pairs)
    return pair.fp32_ms >= _SMALL_SHARE * fp32_ms or pair.int8_ms >= _SMALL_SHARE * int8_ms


def _side_by_side(pairs: Sequence[LayerPair]) -> list[object]:
    cells: list[object] = [pairs[0].name]
    for pair in pairs:
        cells += [ms(time) if time else "-" for time in (pair.fp32_ms, pair.int8_ms)]
        cells.append("-" if pair.speedup is None else f"{pair.speedup:.2f}")
    if len(pairs) > 1:
        cells += [_ratio(pairs[0].fp32_ms, pairs[-1].fp32_ms), _ratio(pairs[0].int8_ms, pairs[-1].int8_ms)]
    return cells


def _ratio(before: float, after: float) -> str:
    return f"{before / after:.2f}" if before and after else "-"


def _size(count: int) -> str:
    return f"{count >> 20} MiB" if count >= 1 << 20 else f"{count >> 10} KiB"
