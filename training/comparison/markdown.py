"""A comparison as Markdown: for each track what every method reads and how it compares, for all what it costs."""

from __future__ import annotations

from collections.abc import Sequence

from ...core.metrics import Interval
from ...datasets.evaluation import SizeReport
from ...datasets.tracks import Track
from .table import Comparison, ComparisonRow, MethodResult


def to_markdown(comparison: Comparison) -> str:
    """Return two tables a track (figures with the best accuracy in bold, McNemar's tests) and one of the costs."""
    parts = [text for track in comparison.tracks for text in (_figures(comparison, track), _tests(comparison, track))]
    return "\n\n".join([*parts, _costs(comparison)]) + "\n"


def _figures(comparison: Comparison, track: Track) -> str:
    columns = [comparison.rows(track, size) for size in comparison.sizes]
    smaller = max(column[0].size.smaller_count for column in columns)
    faces = f"{columns[0][0].size.count} faces" + (f", up to {smaller} smaller than the size" if smaller else "")
    rows = [
        [result.title, *(_cell([row.size for row in column], position) for column in columns)]
        for position, result in enumerate(comparison.results)
    ]
    head = (
        f"Track `{track.protocol}`, {faces}. In percent: accuracy [95 % interval] / mean class accuracy / expected "
        "calibration error."
    )
    return f"{head}\n\n{_table(_header('method', comparison), rows)}"


def _cell(column: Sequence[SizeReport], position: int) -> str:
    report = column[position]
    best = report.accuracy.value == max(other.accuracy.value for other in column)
    value = f"{100 * report.accuracy.value:.2f}"
    rest = f"{100 * report.mean_class_accuracy.value:.1f} / {100 * report.ece:.1f}"
    return f"{f'**{value}**' if best else value} {_ends(report.accuracy)} / {rest}"


def _ends(interval: Interval) -> str:
    return f"[{100 * interval.low:.1f}, {100 * interval.high:.1f}]"


def _tests(comparison: Comparison, track: Track) -> str:
    columns = [comparison.rows(track, size) for size in comparison.sizes]
    rows = [
        [result.title, *(_against(column[position]) for column in columns)]
        for position, result in enumerate(comparison.results)
    ]
    head = f"Track `{track.protocol}`, points of accuracy above the strongest baseline, mid-p of McNemar's test."
    strongest = ["strongest baseline", *(column[0].strongest for column in columns)]
    return f"{head}\n\n{_table(_header('method', comparison), [strongest, *rows])}"


def _against(row: ComparisonRow) -> str:
    return "" if row.result.title == row.strongest else f"{100 * row.gain:+.2f}, p = {row.paired.p_mid:.2g}"


def _costs(comparison: Comparison) -> str:
    rows = [_cost_cells(result, comparison.sizes) for result in comparison.results]
    columns = ("method", "parameters", "MMAC a face", "ms a face")
    return f"Cost; from the cheapest size to the dearest where they differ.\n\n{_table(columns, rows)}"


def _cost_cells(result: MethodResult, sizes: Sequence[int]) -> list[str]:
    costs = [result.costs[size] for size in sizes]
    latencies = [cost.latency_ms for cost in costs if cost.latency_ms is not None]
    return [
        result.title,
        f"{costs[0].parameters / 1e6:.2f} M",
        _span([cost.macs / 1e6 for cost in costs], 1),
        _span(latencies, 2) if latencies else "not measured",
    ]


def _span(values: Sequence[float], digits: int) -> str:
    least, most = f"{min(values):.{digits}f}", f"{max(values):.{digits}f}"
    return least if least == most else f"{least} to {most}"


def _header(first: str, comparison: Comparison) -> list[str]:
    return [first, *(f"{size} px" for size in comparison.sizes)]


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])
