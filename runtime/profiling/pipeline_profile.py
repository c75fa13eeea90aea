"""What the way of frames through a pipeline costs, part by part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...core.environment import Environment
from ..sources import SourceStatus
from .frame_costs import Part, parts_of
from .machine_watch import MachineReport
from .pipeline_setup import PipelineSetup
from .processor_time import ThreadKind
from .statistics import Float64Array
from .steadiness import Steadiness, steadiness_of
from .window import Window

SCHEMA_VERSION = 2


@dataclass(frozen=True)
class Times:
    """A series of times, in milliseconds.

    Attributes:
        count: How many.
        mean_ms: Their mean.
        p50_ms: Their median.
        p90_ms: Nine of ten are shorter; percentiles between two values are interpolated linearly.
        p95_ms: 95 of a hundred are shorter.
        p99_ms: 99 of a hundred are shorter.
        max_ms: The longest.
    """

    count: int
    mean_ms: float
    p50_ms: float
    p90_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float

    @classmethod
    def of(cls, seconds: Float64Array) -> Times | None:
        """Sum up a series of seconds, float64 (N,); None for none."""
        if not len(seconds):
            return None
        times_ms = 1e3 * seconds
        p50, p90, p95, p99 = (float(value) for value in np.percentile(times_ms, [50, 90, 95, 99]))
        return cls(len(seconds), float(times_ms.mean()), p50, p90, p95, p99, float(times_ms.max()))


@dataclass(frozen=True)
class PartRow:
    """One part of the way.

    Attributes:
        part: Which one.
        is_wait: Whether nobody works on the frame meanwhile.
        times: Of the frames that went through it.
        share: Of the time of all frames.
    """

    part: Part
    is_wait: bool
    times: Times
    share: float


@dataclass(frozen=True)
class SourceRow:
    """One source. A latency means nothing without what was dropped beside it.

    Attributes:
        name: Its name.
        is_live: It does not wait for its reader; None where it gave no frame.
        frames: Frames whose results came out.
        age: From capture to the sinks; of a recording, from the begin of decoding. None without results.
        dropped: Frames that were captured and not handed out, by reason.
        dropped_share: Of all frames that were captured.
        left_out: What the source itself left out, by reason.
    """

    name: str
    is_live: bool | None
    frames: int
    age: Times | None
    dropped: dict[str, int]
    dropped_share: float
    left_out: dict[str, int]


@dataclass(frozen=True)
class ThreadRow:
    """One thread that works on frames.

    Attributes:
        name: Its name.
        busy_share: Part of the time in which it had a frame; whether a core was free for it is not told.
    """

    name: str
    busy_share: float


@dataclass(frozen=True)
class Cost:
    """What the work costs.

    Attributes:
        frames_per_second: Frames whose results came out.
        faces_per_second: Faces in them.
        readings_per_second: Faces that the model read.
        cores_used: Mean number of cores that this process kept busy.
        cores_by_kind: The same by what threads do.
        cores_of_others: Cores that other programs kept busy meanwhile; None where the kernel does not tell.
        cpu_ms_per_frame: Processor time of a frame; None without frames.
        cpu_ms_per_face: Processor time of a face in the results, with everything before it; None without faces.
        joules_per_thousand_faces: Energy of the machine; None where it is not measured.
    """

    frames_per_second: float
    faces_per_second: float
    readings_per_second: float
    cores_used: float
    cores_by_kind: dict[str, float]
    cores_of_others: float | None
    cpu_ms_per_frame: float | None
    cpu_ms_per_face: float | None
    joules_per_thousand_faces: float | None


@dataclass(frozen=True)
class BatchCount:
    """Runs of the model with so many faces.

    Attributes:
        at_most: Faces of the largest batch in this row; None for the last row, which has no limit.
        runs: How many runs.
    """

    at_most: int | None
    runs: int


@dataclass(frozen=True)
class PipelineProfile:
    """A profile of a pipeline.

    Attributes:
        seconds: Length of what was measured.
        parts: The parts of the way, in its order.
        age: The same way as a whole, by the clock of the wall and the frames' own times; None without results.
        residual: What of each frame's age is in no part. Negative where clocks disagree.
        sources: The sources.
        threads: The threads that work on frames.
        batches: Faces in the runs of the model.
        cost: What it costs.
        steadiness: Whether it did the same at the end as at the begin.
        machine: Energy and clocks.
        lost_spans: Stages that were forgotten since there were too many; above 0, figures are of the last part only.
    """

    seconds: float
    parts: tuple[PartRow, ...]
    age: Times | None
    residual: Times | None
    sources: tuple[SourceRow, ...]
    threads: tuple[ThreadRow, ...]
    batches: tuple[BatchCount, ...]
    cost: Cost
    steadiness: Steadiness
    machine: MachineReport
    lost_spans: int


@dataclass(frozen=True)
class PipelineProfileReport:
    """A profile, and what it was taken of.

    Attributes:
        setup: What ran.
        created: UTC time, ISO 8601.
        warmup_seconds: Time before the measurement.
        profile: What was measured.
        environment: The machine.
        schema_version: Version of this layout.
    """

    setup: PipelineSetup
    created: str
    warmup_seconds: float
    profile: PipelineProfile
    environment: Environment
    schema_version: int = SCHEMA_VERSION


def profile_window(window: Window) -> PipelineProfile:
    """Sum up what a pipeline did in a part of its time."""
    ages = ages_of(window)
    total_s = float(ages.sum())
    in_parts = np.array([sum(cost.parts.values()) for cost in window.costs], np.float64)
    return PipelineProfile(
        seconds=window.seconds,
        parts=tuple(
            PartRow(part, part.is_wait, times, float(seconds.sum()) / total_s if total_s else 0.0)
            for part, seconds in parts_of(window.costs).items()
            if (times := Times.of(seconds)) is not None
        ),
        age=Times.of(ages),
        residual=Times.of(ages - in_parts),
        sources=tuple(_source_row(status, window) for status in window.after.sources),
        threads=_thread_rows(window),
        batches=_batches(window),
        cost=cost_of(window),
        steadiness=steadiness_of(
            np.array([cost.end_s for cost in window.costs], np.float64), ages, window.begin_s, window.seconds
        ),
        machine=window.machine,
        lost_spans=window.lost_spans,
    )


def ages_of(window: Window, source: str | None = None) -> Float64Array:
    """Return the ages of the results in seconds, float64 (N,), in the order in which they came.

    Args:
        window: What was measured.
        source: Of this source only; None for all.
    """
    costs = [cost for cost in window.costs if source is None or cost.key[0] == source]
    known = [window.arrivals[cost.key].age_s for cost in costs]
    pairs = zip(known, costs, strict=True)
    return np.array([cost.total_s if age_s is None else age_s for age_s, cost in pairs], np.float64)


def cost_of(window: Window) -> Cost:
    """Return what the work of a window cost."""
    frames, faces, seconds = len(window.costs), window.faces, window.seconds
    cpu_s = window.processor.total_s
    return Cost(
        frames_per_second=frames / seconds,
        faces_per_second=faces / seconds,
        readings_per_second=window.readings / seconds,
        cores_used=cpu_s / seconds,
        cores_by_kind={kind.value: window.processor.by_kind_s[kind] / seconds for kind in ThreadKind},
        cores_of_others=None if window.processor.others_s is None else window.processor.others_s / seconds,
        cpu_ms_per_frame=1e3 * cpu_s / frames if frames else None,
        cpu_ms_per_face=1e3 * cpu_s / faces if faces else None,
        joules_per_thousand_faces=window.machine.energy.joules_per(faces, of=1000),
    )


def _source_row(status: SourceStatus, window: Window) -> SourceRow:
    earlier = next((source for source in window.before.sources if source.name == status.name), None)
    dropped = {
        reason.value: count - (0 if earlier is None else earlier.drops.get(reason, 0))
        for reason, count in status.drops.items()
    }
    taken = status.frames - (0 if earlier is None else earlier.frames)
    left_out = {
        name: count - (0 if earlier is None else earlier.counters.get(name, 0))
        for name, count in status.counters.items()
    }
    lost = sum(dropped.values())
    ages = ages_of(window, status.name)
    return SourceRow(
        name=status.name,
        is_live=status.is_live,
        frames=len(ages),
        age=Times.of(ages),
        dropped=dropped,
        dropped_share=lost / max(lost + taken, 1),
        left_out={name: count for name, count in left_out.items() if count},
    )


def _thread_rows(window: Window) -> tuple[ThreadRow, ...]:
    busy_s: dict[str, float] = {}
    for span in window.spans:
        if not span.is_wait:
            busy_s[span.row] = busy_s.get(span.row, 0.0) + span.seconds
    return tuple(ThreadRow(name, seconds / window.seconds) for name, seconds in sorted(busy_s.items()))


def _batches(window: Window) -> tuple[BatchCount, ...]:
    snapshot = window.after.batch_faces.since(window.before.batch_faces)
    limits: Sequence[float | None] = (*snapshot.bounds, None)
    pairs = zip(limits, snapshot.counts, strict=True)
    return tuple(BatchCount(None if limit is None else int(limit), runs) for limit, runs in pairs if runs)
