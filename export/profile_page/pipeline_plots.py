"""Figures of a pipeline: the way of a frame, and how old results are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...runtime.profiling.pipeline_profile import PipelineProfile, SourceRow
from .theme import BEYOND, INK, MUTED, PEAK, Plot, drawing, to_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_SOURCES = 32


def way_of_a_frame(profile: PipelineProfile) -> Plot:
    """Draw the mean time of each part of the way, one after the other; those in which a frame waits stand out."""
    names = [row.part.value for row in profile.parts]
    with drawing(9.2, 1.2 + 0.3 * len(names)) as (figure, (axis,)):
        start = 0.0
        for row in profile.parts:
            # Not every frame goes through every part: a part's time is spread over all of them.
            mean_ms = row.times.mean_ms * row.times.count / max(profile.age.count if profile.age else 0, 1)
            axis.barh(row.part.value, mean_ms, left=start, height=0.62, color=BEYOND if row.is_wait else PEAK)
            axis.annotate(
                f"{mean_ms:.1f} ms, {row.share:.0%}", (start + mean_ms, row.part.value), (4, 0),
                textcoords="offset points", va="center", fontsize=7.5, color=MUTED,
            )  # fmt: skip
            start += mean_ms
        axis.invert_yaxis()
        axis.grid(visible=False, axis="y")
        axis.set(xlabel="ms since capture, mean of all frames", xlim=(0, 1.18 * start))
        axis.tick_params(axis="y", labelcolor=INK, length=0)
        axis.barh(names[:1], 0.0, color=PEAK, label="somebody works on the frame")
        axis.barh(names[:1], 0.0, color=BEYOND, label="the frame waits")
        figure.legend(loc="outside upper left", ncols=2)
        svg = to_svg(figure, "way of a frame")
    waits = sum(row.share for row in profile.parts if row.is_wait)
    return Plot("Way of a frame", svg, f"Frames wait for {waits:.0%} of their time.")


def ages_by_source(profile: PipelineProfile) -> Plot:
    """Draw the ages of results of each source, from the median to the 99th percentile, and what was dropped."""
    rows = [row for row in profile.sources if row.age is not None][:_MOST_SOURCES]
    with drawing(9.2, 1.1 + 0.34 * len(rows)) as (figure, (axis,)):
        for position, row in enumerate(rows):
            _draw_age(axis, position, row)
        axis.set_yticks(range(len(rows)), [row.name for row in rows])
        axis.grid(visible=False, axis="y")
        highest = max(row.age.p99_ms for row in rows if row.age is not None)
        axis.set(xlabel="age of a result, ms", xlim=(0, 1.25 * highest), ylim=(len(rows) - 0.4, -0.6))
        axis.tick_params(axis="y", labelcolor=INK, length=0)
        svg = to_svg(figure, "ages of results")
    more = "" if len(rows) == len(profile.sources) else f" {len(rows)} of {len(profile.sources)} sources."
    return Plot("Ages of results", svg, f"Dots are medians, lines go to p95 and, thin, to p99.{more}")


def _draw_age(axis: Axes, position: int, row: SourceRow) -> None:
    age = row.age
    if age is None:
        return
    axis.hlines(position, age.p50_ms, age.p99_ms, color=PEAK, linewidth=1.0)
    axis.hlines(position, age.p50_ms, age.p95_ms, color=PEAK, linewidth=3.0)
    axis.plot(age.p50_ms, position, "o", color=PEAK)
    if row.is_live:
        axis.annotate(
            f"{row.dropped_share:.1%} dropped", (age.p99_ms, position), (5, 0), textcoords="offset points", va="center",
            fontsize=7.5, color=MUTED,
        )  # fmt: skip
