"""The page itself: what was found, figures, tables, conditions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ...core.files import write_text
from ...core.options import Precision
from ...runtime.profiling import LatencyClock, ProfileReport, ProfileRow, Stability
from ...runtime.profiling.accuracy import AccuracyAtSize
from .latency_plots import batch_knee, latency_against_throughput
from .layer_plots import roofline, slowest_layers, time_account, time_by_role
from .templates import ms, template
from .theme import Plot

_TEMPLATE = "page.html.jinja"
_FEWEST_FOR_P99 = 100


@dataclass(frozen=True)
class Tile:
    """A figure that is told first.

    Attributes:
        value: The figure with its unit.
        label: What it is.
        detail: Where it was found.
        is_sure: What it comes from is stable.
    """

    value: str
    label: str
    detail: str
    is_sure: bool


def write_profile_page(report: ProfileReport, path: Path) -> None:
    """Write a profile as an HTML page that needs no other file and runs no script.

    Args:
        report: The profile; its layers are shown where it has them.
        path: File to write.
    """
    text = template(_TEMPLATE).render(
        report=report,
        version=report.environment.packages.get("onnxruntime") or report.environment.packages.get("onnxruntime-gpu"),
        tiles=list(_tiles(report)),
        drifting=sum(row.stability is not Stability.STABLE for row in report.rows),
        plots=[latency_against_throughput(report), batch_knee(report)],
        layer_plots=_layer_plots(report),
        accuracies=_accuracies(report),
        clocks=list(LatencyClock),
        fewest_for_p99=_FEWEST_FOR_P99,
    )
    write_text(path, text)


def _accuracies(report: ProfileReport) -> list[tuple[str, tuple[AccuracyAtSize, ...]]]:
    measured = [(graph.precision.value, graph.accuracy) for graph in report.graphs if graph.accuracy]
    return measured or [("fp32, by its bundle", report.accuracy)]


def _layer_plots(report: ProfileReport) -> list[Plot]:
    if report.layers is None:
        return []
    drawn = (time_by_role, time_account, slowest_layers, roofline)
    return [draw(report.layers) for draw in drawn]


def _tiles(report: ProfileReport) -> Iterator[Tile]:
    whole = [row for row in report.rows if row.clock is LatencyClock.CLASSIFY]
    best = max(whole, key=lambda row: row.faces_per_second)
    yield Tile(f"{best.faces_per_second:,.0f}", "faces/s at most", _where(best), _is_stable(best))
    quickest = min(whole, key=lambda row: row.latency.p50_ms)
    label = f"for {_faces(quickest.batch)}, p50"
    yield Tile(f"{ms(quickest.latency.p50_ms)} ms", label, _where(quickest), _is_stable(quickest))
    speedups = [one for one in report.speedups if one.clock is LatencyClock.MODEL]
    if speedups:
        largest = max(speedups, key=lambda one: (one.batch, -one.threads, -one.streams))
        interval = "" if largest.interval is None else f"{largest.interval[0]:.2f} to {largest.interval[1]:.2f}, "
        detail = f"{interval}batch {largest.batch}, threads {largest.threads}"
        yield Tile(f"{largest.median:.2f}x", "INT8 against FP32", detail, largest.is_sure)
    if report.layers is not None:
        run = report.layers.runs[-1]
        name = "int8" if run.precision is Precision.INT8 else "float32"
        detail = f"{run.gops:.0f} GOP/s, batch {run.batch}, threads {run.threads}"
        yield Tile(f"{run.peak_share:.0%}", f"of the {name} peak", detail, run.stability is Stability.STABLE)


def _is_stable(row: ProfileRow) -> bool:
    return row.stability is Stability.STABLE


def _where(row: ProfileRow) -> str:
    streams = f", streams {row.streams}" if row.streams != 1 else ""
    return f"{row.precision.value}, batch {row.batch}, threads {row.threads}{streams}"


def _faces(count: int) -> str:
    return "1 face" if count == 1 else f"{count} faces"
