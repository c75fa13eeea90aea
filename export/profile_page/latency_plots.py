"""Figures of rows: latency against throughput, and throughput over the batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...runtime.profiling import LatencyClock, ProfileReport, ProfileRow
from ...runtime.profiling.knees import KNEE_SHARE
from .theme import INK, MUTED, Plot, color_of, drawing, plain_logarithm, to_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DASHES = ("-", "--", ":", "-.")
_MARKERS = ("o", "s", "^", "D")


def latency_against_throughput(report: ProfileReport) -> Plot:
    """Draw each combination's median latency and faces/s; a line goes through the batches."""
    with drawing(9.2, 3.7, len(LatencyClock), sharey=True) as (figure, axes):
        for axis, clock in zip(axes, LatencyClock, strict=True):
            for series in _series(report, clock):
                latencies = [row.latency.p50_ms for row in series]
                tails = [row.latency.p95_ms for row in series]
                rates = [row.faces_per_second for row in series]
                _line(axis, series, latencies, rates, report)
                color = color_of(series[0].precision)
                axis.hlines(rates, latencies, tails, color=color, alpha=0.35, linewidth=1.2)
                for row, latency, rate in zip(series, latencies, rates, strict=True):
                    axis.annotate(
                        str(row.batch), (latency, rate), (0, 6), textcoords="offset points", ha="center",
                        fontsize=7.5, color=MUTED,
                    )  # fmt: skip
            axis.set(xscale="log", xlabel="p50 latency, ms (line to p95)", title=clock.value)
            plain_logarithm(axis.xaxis)
        axes[0].set(ylabel="faces/s", ylim=(0, 1.1 * max(row.faces_per_second for row in report.rows)))
        _legend(axes[-1], figure)
        svg = to_svg(figure, "latency against throughput")
    caption = "Numbers at the points are faces in one run. Up and left is better."
    return Plot("Latency against throughput", svg, caption)


def batch_knee(report: ProfileReport) -> Plot:
    """Draw faces/s over the batch, with the knee of each series marked."""
    knees = {(knee.precision, knee.threads, knee.streams, knee.clock): knee for knee in report.knees}
    batches = sorted({row.batch for row in report.rows})
    with drawing(9.2, 3.4, len(LatencyClock), sharey=True) as (figure, axes):
        for axis, clock in zip(axes, LatencyClock, strict=True):
            for series in _series(report, clock):
                rates = [row.faces_per_second for row in series]
                _line(axis, series, [row.batch for row in series], rates, report)
                knee = knees.get((series[0].precision, series[0].threads, series[0].streams, clock))
                if knee is not None and not knee.is_open:
                    axis.plot(knee.batch, knee.faces_per_second, "o", ms=12, mfc="none", mec=INK, mew=1.2)
            axis.set(xscale="log", xlabel="faces in one run", title=clock.value)
            axis.set_xticks(batches, [str(batch) for batch in batches])
            axis.set_xticks([], minor=True)
        axes[0].set(ylabel="faces/s", ylim=(0, 1.1 * max(row.faces_per_second for row in report.rows)))
        _legend(axes[-1], figure)
        svg = to_svg(figure, "throughput over the batch")
    caption = (
        f"A ring marks the knee: the smallest batch that reaches {KNEE_SHARE:.0%} of the highest faces/s. "
        "No ring: the largest batch is still the best one."
    )
    return Plot("Batch knee", svg, caption)


def _series(report: ProfileReport, clock: LatencyClock) -> list[list[ProfileRow]]:
    found: dict[tuple[object, ...], list[ProfileRow]] = {}
    for row in report.rows:
        if row.clock is clock:
            found.setdefault((row.precision, row.threads, row.streams), []).append(row)
    return [sorted(rows, key=lambda row: row.batch) for rows in found.values()]


def _line(
    axis: Axes, series: Sequence[ProfileRow], x: Sequence[float], y: Sequence[float], report: ProfileReport
) -> None:
    first = series[0]
    styles = sorted({(row.threads, row.streams) for row in report.rows})
    style = styles.index((first.threads, first.streams))
    label = first.precision.value
    label += f", threads {first.threads}" if len({threads for threads, _ in styles}) > 1 else ""
    label += f", streams {first.streams}" if len({streams for _, streams in styles}) > 1 else ""
    axis.plot(
        x,
        y,
        linestyle=_DASHES[style % len(_DASHES)],
        marker=_MARKERS[style // len(_DASHES) % len(_MARKERS)],
        color=color_of(first.precision),
        label=label,
    )


def _legend(axis: Axes, figure: Figure) -> None:
    handles, labels = axis.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper")
