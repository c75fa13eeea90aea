"""Pictures of a comparison: accuracy against face size, and risk against coverage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...core.files import atomic_path
from ...core.selective import risk_coverage
from ...datasets.confidence import confidence_of
from ...datasets.tracks import Track
from .methods import Kind
from .table import Comparison, MethodResult

# Okabe and Ito's palette, and four of Tol's: told apart by colour-blind readers, and in print. Colours, markers and
# dashes are of different numbers, so that no two of the first 180 lines look alike even where a colour comes again.
_COLORS = (
    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#8C564B", "#332288", "#882255", "#117733", "#999999"
)  # fmt: skip
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
_DASHES = ("-", "--", "-.", ":")
_OURS = "#D55E00"


def draw_accuracy(comparison: Comparison, path: Path) -> None:
    """Draw accuracy against face size, one line a method (ablations are left out) and one panel a track.

    Args:
        comparison: Results.
        path: Picture to write; its suffix decides the format.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    tracks = comparison.tracks
    shown = [result for result in comparison.results if result.kind is not Kind.ABLATION]
    figure = Figure(figsize=(6.2 * len(tracks), 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, len(tracks), squeeze=False, sharey=True)[0]
    sizes = sorted(comparison.sizes)
    for axis, track in zip(axes, tracks, strict=True):
        for position, result in enumerate(shown):
            reports = [result.tracks[track].at(size) for size in sizes]
            values = [100 * report.accuracy.value for report in reports]
            ours = result.kind is Kind.OURS
            style = line_style(position, ours=ours)
            if ours:
                low = [100 * report.accuracy.low for report in reports]
                high = [100 * report.accuracy.high for report in reports]
                axis.fill_between(sizes, low, high, color=_OURS, alpha=0.15, linewidth=0)
            axis.plot(sizes, values, **style, label=result.title)
        axis.set_xscale("log", base=2)
        axis.set_xticks(sizes, [str(size) for size in sizes])
        axis.minorticks_off()
        axis.set_xlabel("native face size (px)")
        axis.set_title(f"{track.value} track" if track is Track.CLEAN else track.protocol, fontsize=10)
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("accuracy (%)")
    axes[0].legend(fontsize=8, loc="lower right")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=140)


def line_style(position: int, *, ours: bool) -> dict[str, Any]:
    """Return Matplotlib's colour, marker, dashes and widths of a method's line.

    Args:
        position: Place among the methods that are drawn, from 0.
        ours: Whether it is ours, which is drawn thicker and in a colour of its own.
    """
    if ours:
        return {"color": _OURS, "marker": "*", "linestyle": "-", "linewidth": 2.4, "markersize": 8}
    looks = (each[position % len(each)] for each in (_COLORS, _MARKERS, _DASHES))
    return {**dict(zip(("color", "marker", "linestyle"), looks, strict=True)), "linewidth": 1.3, "markersize": 4}


def draw_risk_coverage(result: MethodResult, path: Path) -> None:
    """Draw the share of wrong answers against the share of faces answered, one line a size and one panel a track.

    Args:
        result: One method.
        path: Picture to write; its suffix decides the format.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.4 * len(result.tracks), 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, len(result.tracks), squeeze=False, sharey=True)[0]
    for axis, (track, report) in zip(axes, result.tracks.items(), strict=True):
        for position, row in enumerate(sorted(report.sizes, key=lambda row: -row.face_size_px)):
            curve = risk_coverage(confidence_of(row, result.temperatures), row.correct)
            label = f"{row.face_size_px} px (area {100 * curve.area:.1f} %)"
            axis.plot(100 * curve.coverage, 100 * curve.risk, color=_COLORS[position % len(_COLORS)], label=label)
        axis.set_xlabel("faces answered, most confident first (%)")
        axis.set_title(f"{result.title}, {track.protocol}", fontsize=10)
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8, loc="upper left")
    axes[0].set_ylabel("wrong answers among them (%)")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=140)
