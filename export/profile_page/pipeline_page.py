"""The page of a pipeline: where the time of frames goes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ...core.files import write_text
from ...runtime.profiling.pipeline_profile import PipelineProfile, PipelineProfileReport
from ...runtime.profiling.statistics import Stability
from .page import Tile
from .pipeline_plots import ages_by_source, way_of_a_frame
from .templates import template

_TEMPLATE = "pipeline.html.jinja"


def write_pipeline_page(report: PipelineProfileReport, path: Path) -> None:
    """Write a profile of a pipeline as an HTML page that needs no other file and runs no script.

    Args:
        report: The profile.
        path: File to write.
    """
    profile = report.profile
    has_results = profile.age is not None
    text = template(_TEMPLATE).render(
        report=report,
        profile=profile,
        setup=report.setup,
        tiles=list(_tiles(profile)),
        plots=[way_of_a_frame(profile), ages_by_source(profile)] if has_results else [],
        is_steady=profile.steadiness.stability is Stability.STABLE,
        faces=profile.cost.faces_per_second * profile.seconds,
    )
    write_text(path, text)


def _tiles(profile: PipelineProfile) -> Iterator[Tile]:
    is_sure = profile.steadiness.stability is Stability.STABLE
    cost = profile.cost
    if profile.age is not None:
        detail = f"p50 {profile.age.p50_ms:.0f} ms, p99 {profile.age.p99_ms:.0f} ms"
        yield Tile(f"{profile.age.p95_ms:.0f} ms", "age of a result, p95", detail, is_sure)
    dropped = sum(sum(row.dropped.values()) + sum(row.left_out.values()) for row in profile.sources)
    detail = f"{cost.faces_per_second:.0f} faces/s, {dropped} frames dropped or left out"
    yield Tile(f"{cost.frames_per_second:.1f}", "frames/s", detail, is_sure)
    per_face = "" if cost.cpu_ms_per_face is None else f"{cost.cpu_ms_per_face:.2f} ms a face"
    yield Tile(f"{cost.cores_used:.2f}", "cores in use", per_face, is_sure)
    waits = sum(row.share for row in profile.parts if row.is_wait)
    yield Tile(f"{waits:.0%}", "of the time frames wait", "for a lane, a batch, their turn", is_sure)
