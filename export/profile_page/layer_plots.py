"""Figures of layers: where the time goes, and how far that is from the roofline."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...core.options import Precision
from ...runtime.profiling.layer_comparison import LayerPair, compare_layers
from ...runtime.profiling.layer_report import LayerReport, LayerRole, LayerRun, LayerTime, TimeAccount
from .theme import BEYOND, INK, LINE, MUTED, PANEL, PEAK, REST, Plot, color_of, drawing, plain_logarithm, to_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_LAYERS = 16
_MOST_LABELS = 3
_SMALLEST_SHARE = 0.002


def time_by_role(report: LayerReport) -> Plot:
    """Draw the time of each graph as one bar, cut by the parts of the network."""
    labels = [_name(run) for run in report.runs]
    with drawing(9.2, 1.1 + 0.38 * len(labels)) as (figure, (axis,)):
        starts = np.zeros(len(labels))
        for role in LayerRole:
            times = np.array([run.role_ms().get(role, 0.0) for run in report.runs])
            if times.any():
                axis.barh(labels, times, left=starts, height=0.62, color=color_of(role), ec=PANEL, label=role.value)
                starts += times
        for position, total in enumerate(starts):
            _beside(axis, f"{total:.1f}", total, position, INK)
        axis.invert_yaxis()
        axis.grid(visible=False, axis="y")
        axis.set(xlabel=f"ms, batch {report.runs[0].batch}", xlim=(0, 1.1 * starts.max()))
        axis.tick_params(axis="y", labelcolor=INK, length=0)
        figure.legend(loc="outside upper left", ncols=len(LayerRole))
        svg = to_svg(figure, "time by part of the network")
    return Plot("Time by part of the network", svg, "Sums of the medians of all layers.")


def time_account(report: LayerReport) -> Plot:
    """Draw for each graph which part of its time the peak explains, and where the rest goes."""
    labels = [_name(run) for run in report.runs]
    with drawing(9.2, 1.1 + 0.38 * len(labels)) as (figure, (axis,)):
        starts = np.zeros(len(labels))
        for what, color, alpha in _ACCOUNT:
            shares = np.array([_share(run.account, what) for run in report.runs])
            axis.barh(labels, 100 * shares, left=starts, height=0.62, color=color, alpha=alpha, ec=PANEL, label=what)
            starts += 100 * shares
        for position, run in enumerate(report.runs):
            _beside(axis, f"{run.peak_share:.0%} of the peak", starts[position], position, INK)
        axis.invert_yaxis()
        axis.grid(visible=False, axis="y")
        axis.set(xlabel="percent of the time", xlim=(0, 122))
        axis.set_xticks(range(0, 101, 20))
        axis.tick_params(axis="y", labelcolor=INK, length=0)
        figure.legend(loc="outside upper left", ncols=len(_ACCOUNT))
        svg = to_svg(figure, "where the time goes")
    caption = (
        "The first part is what all multiply-accumulates would take at the fastest matrix product that ONNX Runtime "
        "makes here, in the same number format and with as many threads; the others are beyond it."
    )
    return Plot("What keeps it from the peak", svg, caption)


def slowest_layers(report: LayerReport) -> Plot:
    """Draw the layers that take longest, FP32 and INT8 side by side where both are there."""
    threads = report.runs[0].threads
    comparisons = [one for one in compare_layers(report) if one.threads == threads]
    with drawing(9.2, 1.0 + 0.33 * _MOST_LAYERS) as (figure, (axis,)):
        if comparisons:
            pairs = sorted(comparisons[0].pairs, key=lambda pair: -max(pair.fp32_ms, pair.int8_ms))[:_MOST_LAYERS]
            _paired_bars(axis, pairs)
        else:
            layers = sorted(report.runs[0].layers, key=lambda layer: -layer.median_ms)[:_MOST_LAYERS]
            axis.barh(
                [layer.name for layer in layers],
                [layer.median_ms for layer in layers],
                color=color_of(report.runs[0].precision),
                label=report.runs[0].precision.value,
            )
        axis.invert_yaxis()
        axis.grid(visible=False, axis="y")
        axis.set(xlabel=f"ms, batch {report.runs[0].batch}, threads {threads}")
        axis.tick_params(axis="y", labelcolor=INK, length=0)
        axis.margins(y=0.01)
        axis.legend(loc="lower right")
        svg = to_svg(figure, "layers that take longest")
    caption = "At the bars, how many times faster INT8 is: below 1, the layer would be faster in FP32."
    return Plot("Slowest layers", svg, caption if comparisons else "Medians of traced runs.")


def roofline(report: LayerReport) -> Plot:
    """Draw every multiplying layer under the roofs of its number format and of copies."""
    threads = report.runs[0].threads
    runs = [run for run in report.runs if run.threads == threads]
    points = {run.precision: _points(run) for run in runs}
    every = [point for group in points.values() for point in group]
    with drawing(9.2, 4.6) as (figure, (axis,)):
        limits = 0.5 * min(point.intensity for point in every), 2.5 * max(point.intensity for point in every)
        _draw_roofs(axis, report, threads, limits)
        for precision, group in points.items():
            axis.scatter(
                [point.intensity for point in group],
                [point.gops for point in group],
                s=[20 + 2200 * point.layer.share for point in group],
                color=color_of(precision),
                alpha=0.6,
                edgecolors=PANEL,
                label=precision.value,
            )
        for point in _worst(every):
            text = axis.annotate(
                f"{point.layer.name}, {point.layer.median_ms:.1f} ms", (point.intensity, point.gops), (9, -16),
                textcoords="offset points", ha="right", fontsize=8, color=INK,
            )  # fmt: skip
            text.set_in_layout(False)
        axis.set(xscale="log", yscale="log", xlabel="operations for each byte moved", ylabel="GOP/s", xlim=limits)
        axis.set_ylim(0.4 * min(point.gops for point in every), None)
        plain_logarithm(axis.xaxis)
        plain_logarithm(axis.yaxis)
        for handle in axis.legend(loc="lower right").legend_handles:
            handle.set_sizes([40])  # type: ignore[union-attr]
        svg = to_svg(figure, "roofline")
    caption = (
        f"Threads {threads}. A point is a convolution or a matrix product, its area the share of its graph's time. "
        "Flat roofs are the fastest products, slanted ones copies from a cache and from memory; all of them were "
        "measured in the same run. Named are the layers that lose most time below the roof."
    )
    return Plot("Roofline", svg, caption)


def _points(run: LayerRun) -> list[_Point]:
    multiplying = [layer for layer in run.layers if layer.macs]
    # Products of vectors take next to no time and would stretch the figure by an order of magnitude.
    notable = [layer for layer in multiplying if layer.share >= _SMALLEST_SHARE]
    return [_Point.of(layer) for layer in notable or multiplying]


@dataclass(frozen=True)
class _Point:
    layer: LayerTime
    intensity: float
    gops: float

    @classmethod
    def of(cls, layer: LayerTime) -> _Point:
        return cls(layer, layer.intensity or 1.0, layer.gops or 1.0)

    def is_near(self, other: _Point) -> bool:
        """Whether two names would be written over each other."""
        across, above = math.log(self.intensity / other.intensity), math.log(self.gops / other.gops)
        return abs(across) < 1.6 and abs(above) < 0.5


_ACCOUNT = (
    ("at the peak", PEAK, 1.0),
    ("convolutions beyond it", BEYOND, 1.0),
    ("elementwise", REST, 1.0),
    ("everything else", LINE, 1.0),
)
_PARTS = {
    "at the peak": ("at the peak",),
    "convolutions beyond it": ("convolution", "dense"),
    "elementwise": ("elementwise",),
}


def _share(account: Sequence[TimeAccount], what: str) -> float:
    named = {part for parts in _PARTS.values() for part in parts}
    wanted = _PARTS.get(what)
    shares = (part.share for part in account if (part.what in wanted if wanted else part.what not in named))
    return max(0.0, sum(shares))


def _paired_bars(axis: Axes, pairs: Sequence[LayerPair]) -> None:
    positions = np.arange(len(pairs))
    for precision, offset, times in (
        (Precision.FP32, -0.19, [pair.fp32_ms for pair in pairs]),
        (Precision.INT8, 0.19, [pair.int8_ms for pair in pairs]),
    ):
        axis.barh(positions + offset, times, height=0.36, color=color_of(precision), label=precision.value)
    for position, pair in enumerate(pairs):
        if pair.speedup is not None:
            _beside(axis, f"{pair.speedup:.1f}x", max(pair.fp32_ms, pair.int8_ms), position, MUTED)
    axis.set_yticks(positions, [pair.name for pair in pairs])


def _draw_roofs(axis: Axes, report: LayerReport, threads: int, limits: tuple[float, float]) -> None:
    peaks = [peak for peak in report.peaks if peak.threads == threads]
    copies = sorted((copy for copy in report.copies if copy.threads == threads), key=lambda copy: copy.moved_bytes)
    top = max(peak.gops for peak in peaks)
    for peak in peaks:
        axis.axhline(peak.gops, color=MUTED, linewidth=1.1, linestyle="--")
        axis.annotate(
            f"{peak.number_format} product, {peak.gops:.0f} GOP/s", (limits[0], peak.gops), (4, 3),
            textcoords="offset points", fontsize=8, color=MUTED,
        )  # fmt: skip
    for copy, name in ((copies[0], "cache"), (copies[-1], "memory")):
        ends = np.array([limits[0], top / copy.gb_per_second])
        axis.plot(ends, ends * copy.gb_per_second, color=MUTED, linewidth=1.1, linestyle=":")
        beside = ends[0] * (ends[1] / ends[0]) ** 0.3  # below where the flat roofs have their names
        axis.annotate(
            f"{name}, {copy.gb_per_second:.0f} GB/s", (beside, beside * copy.gb_per_second), (7, -7),
            textcoords="offset points", fontsize=8, color=MUTED,
        )  # fmt: skip


def _worst(points: Sequence[_Point]) -> list[_Point]:
    chosen: list[_Point] = []
    for point in sorted(points, key=lambda point: point.layer.roof_ms - point.layer.median_ms):
        if len(chosen) < _MOST_LABELS and not any(point.is_near(other) for other in chosen):
            chosen.append(point)
    return chosen


def _beside(axis: Axes, text: str, x: float, y: float, color: str) -> None:
    axis.annotate(text, (x, y), (5, 0), textcoords="offset points", va="center", fontsize=8, color=color)


def _name(run: LayerRun) -> str:
    return f"{run.precision.value}, threads {run.threads}"
