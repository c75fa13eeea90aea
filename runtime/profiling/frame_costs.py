"""Where the time of each frame went, from its capture until the sinks have its result."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from ..telemetry import Stage
from .span_journal import FrameKey, Span
from .statistics import Float64Array


class Part(str, Enum):
    """A part of a frame's way; they do not overlap, and together are the whole way but for the residual."""

    CAPTURE = "capture"
    """From capture to the begin of decoding: the camera, the network, and what lies in between."""

    DECODE = "decode"
    SLOT = "slot"
    """Decoded, until a lane has time for it; a newer frame would take its place meanwhile."""

    DETECT = "detect"
    HANDOVER = "hand-over"
    """Searched, until the pipeline's one thread takes it."""

    TRACK = "track"
    CROP = "crop"
    QUEUE = "queue"
    """Until the batch is full or has waited long enough."""

    CLASSIFY = "classify"
    TURN = "turn"
    """Read, while results of others in its batch are finished first."""

    SMOOTH = "smooth"
    SINK = "sink"

    @property
    def is_wait(self) -> bool:
        """Whether nobody works on the frame meanwhile."""
        return self in _WAITS


_WAITS = (Part.CAPTURE, Part.SLOT, Part.HANDOVER, Part.QUEUE, Part.TURN)
_WORK = {
    Part.DETECT: Stage.DETECT,
    Part.TRACK: Stage.TRACK,
    Part.CROP: Stage.CROP,
    Part.QUEUE: Stage.QUEUE,
    Part.CLASSIFY: Stage.CLASSIFY,
    Part.SMOOTH: Stage.SMOOTH,
    Part.SINK: Stage.SINK,
}


@dataclass(frozen=True)
class FrameCost:
    """The way of one frame.

    Attributes:
        key: Which frame.
        begin_s: When it was captured; for a frame of a recording, when its decoding began. On the monotonic clock.
        end_s: When all sinks had its result.
        parts: Seconds in each part that it went through.
    """

    key: FrameKey
    begin_s: float
    end_s: float
    parts: Mapping[Part, float]

    @property
    def total_s(self) -> float:
        """From the begin to the end."""
        return self.end_s - self.begin_s


def frame_costs(spans: Iterable[Span]) -> list[FrameCost]:
    """Return the way of every frame that was seen from its turn to its sinks, in the order of their ends.

    Args:
        spans: What a journal kept.
    """
    by_frame: dict[FrameKey, dict[Stage, Span]] = {}
    for span in spans:
        for key in span.frames:
            by_frame.setdefault(key, {})[span.stage] = span
    costs = [_cost(key, stages) for key, stages in by_frame.items() if Stage.WAIT in stages and Stage.SINK in stages]
    return sorted(costs, key=lambda cost: cost.end_s)


def percentile_ms(seconds: Sequence[float], percent: float) -> float:
    """Return a percentile in milliseconds, linear between two values."""
    return 1e3 * float(np.percentile(np.asarray(seconds, np.float64), percent))


def parts_of(costs: Sequence[FrameCost]) -> dict[Part, Float64Array]:
    """Return the seconds of all frames that went through each part, float64 (N,), in the order of the parts."""
    found = {part: [cost.parts[part] for cost in costs if part in cost.parts] for part in Part}
    return {part: np.array(seconds, np.float64) for part, seconds in found.items() if seconds}


def _cost(key: FrameKey, stages: Mapping[Stage, Span]) -> FrameCost:
    taken, decoding = stages[Stage.WAIT], stages.get(Stage.DECODE)
    parts = {part: stages[stage].seconds for part, stage in _WORK.items() if stage in stages}
    begin_s = taken.begin_s
    if decoding is None:
        parts[Part.SLOT] = taken.seconds
    else:
        begin_s = min(begin_s, decoding.begin_s)
        parts[Part.CAPTURE] = decoding.begin_s - begin_s
        parts[Part.DECODE] = decoding.seconds
        parts[Part.SLOT] = max(taken.end_s - decoding.end_s, 0.0)
    searched_s = stages[Stage.DETECT].end_s if Stage.DETECT in stages else taken.end_s
    _add_gap(parts, Part.HANDOVER, searched_s, stages, (Stage.TRACK, Stage.CROP, Stage.QUEUE))
    if Stage.CLASSIFY in stages:
        _add_gap(parts, Part.TURN, stages[Stage.CLASSIFY].end_s, stages, (Stage.SMOOTH, Stage.SINK))
    return FrameCost(key, begin_s, stages[Stage.SINK].end_s, parts)


def _add_gap(
    parts: dict[Part, float], part: Part, from_s: float, stages: Mapping[Stage, Span], following: Sequence[Stage]
) -> None:
    next_stage = next((stage for stage in following if stage in stages), None)
    if next_stage is not None:
        parts[part] = max(stages[next_stage].begin_s - from_s, 0.0)
