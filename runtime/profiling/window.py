"""Runs a pipeline, and keeps what it did in a part of the time: after it has warmed up, until enough was seen."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType

from ...core.errors import UsageError
from ..pipeline import StreamPipeline
from ..pipeline_report import PipelineReport
from ..results import FrameResult
from ..sinks import ResultSink
from .frame_costs import FrameCost, frame_costs
from .machine_watch import MachineReport, MachineWatch
from .nvml import Nvml
from .processor_time import ProcessorTime, processor_time
from .span_journal import FrameKey, Span, SpanJournal


@dataclass(frozen=True)
class Arrival:
    """What came out of the pipeline.

    Attributes:
        age_s: Time since the frame's capture, by the clocks of the wall; None for a frame of a recording.
        faces: Faces in the result.
    """

    age_s: float | None
    faces: int


class ArrivalProbe:
    """A sink that takes the time: an age of each result that does not come from the stages' own clocks.

    It is the last of the sinks, so that a result has arrived everywhere.
    """

    def __init__(self) -> None:
        self.arrivals: dict[FrameKey, Arrival] = {}

    def write(self, result: FrameResult) -> None:
        """Take one result."""
        frame = result.frame
        age_s = time.time() - frame.time_s if frame.is_live else None
        self.arrivals[frame.source, frame.index] = Arrival(age_s, len(result))

    def __enter__(self) -> ArrivalProbe:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


@dataclass(frozen=True)
class Window:
    """What a pipeline did in a part of its time.

    Attributes:
        begin_s: When it began, on the monotonic clock.
        seconds: How long it was.
        before: The pipeline's report at its begin.
        after: The same at its end.
        costs: The ways of the frames that ended in it.
        arrivals: Ages and faces of these frames; every one of them is here.
        spans: The stages that began and ended in it.
        processor: Processor time.
        machine: Energy and clocks.
        lost_spans: Spans that gave way to newer ones: then the window was too long, and its begin is missing.
    """

    begin_s: float
    seconds: float
    before: PipelineReport
    after: PipelineReport
    costs: tuple[FrameCost, ...]
    arrivals: Mapping[FrameKey, Arrival]
    spans: tuple[Span, ...]
    processor: ProcessorTime
    machine: MachineReport
    lost_spans: int

    @property
    def faces(self) -> int:
        """Faces in the results."""
        return sum(self.arrivals[cost.key].faces for cost in self.costs)

    @property
    def readings(self) -> int:
        """Faces that the model read."""
        return self.after.readings - self.before.readings


class _Marks:
    """Begin and end of a window, taken between two frames by the pipeline's own thread."""

    def __init__(self, pipeline: StreamPipeline, stack: ExitStack) -> None:
        self._pipeline = pipeline
        self._stack = stack
        self._nvml = stack.enter_context(Nvml())  # now: it takes a moment, which must not be one of the window's
        self.watch: MachineWatch | None = None
        self.begin: tuple[float, PipelineReport, ProcessorTime] | None = None
        self.end: tuple[float, PipelineReport, ProcessorTime] | None = None

    def mark_begin(self) -> None:
        self.watch = self._stack.enter_context(MachineWatch(nvml=self._nvml))
        self.begin = time.monotonic(), self._pipeline.report(), processor_time()

    def mark_end(self) -> None:
        self.end = time.monotonic(), self._pipeline.report(), processor_time()
        self._stack.close()


def run_window(
    pipeline: StreamPipeline,
    journal: SpanJournal,
    sinks: Sequence[ResultSink],
    *,
    warmup_s: float,
    seconds: float,
    on_tick: Callable[[], None] | None = None,
) -> Window:
    """Run a pipeline, stop it, and return what it did after its warm-up.

    Args:
        pipeline: Has not run yet; ``journal`` listens to it.
        journal: What it notes.
        sinks: Get every result; entered by the caller.
        warmup_s: Time before the window.
        seconds: Length of the window; shorter where the sources end before.
        on_tick: Called about twice a second.

    Raises:
        UsageError: The sources ended before the window began.
        SourceError: A source failed before the window began.
        FsrferError: Detection or classification failed.
    """
    probe = ArrivalProbe()
    started_s = time.monotonic()
    with ExitStack() as stack:
        marks = _Marks(pipeline, stack)

        def tick() -> None:
            elapsed_s = time.monotonic() - started_s
            if marks.begin is None and elapsed_s >= warmup_s:
                marks.mark_begin()
            elif marks.begin is not None and marks.end is None and time.monotonic() - marks.begin[0] >= seconds:
                marks.mark_end()
                pipeline.stop()
            if on_tick is not None:
                on_tick()

        pipeline.run([*sinks, probe], tick=tick)
        failed = pipeline.report().failed
        if marks.begin is None and failed and failed[0].error is not None:
            raise failed[0].error
        if marks.begin is None:
            raise UsageError(
                f"nothing came any more before the warm-up of {warmup_s:g} s was over",
                fix="measure longer sources, warm up for less time, or play the videos as cameras",
            )
        if marks.end is None:
            marks.mark_end()
    return _window(marks, journal, probe)


def _window(marks: _Marks, journal: SpanJournal, probe: ArrivalProbe) -> Window:
    if marks.begin is None or marks.end is None or marks.watch is None:
        raise ValueError("the window was not marked")
    begin_s, before, processor_before = marks.begin
    end_s, after, processor_after = marks.end
    spans = journal.spans()
    costs = tuple(cost for cost in frame_costs(spans) if begin_s <= cost.end_s <= end_s)
    return Window(
        begin_s=begin_s,
        seconds=end_s - begin_s,
        before=before,
        after=after,
        costs=costs,
        arrivals={cost.key: probe.arrivals[cost.key] for cost in costs},
        spans=tuple(span for span in spans if begin_s <= span.begin_s and span.end_s <= end_s),
        processor=processor_after.since(processor_before),
        machine=marks.watch.report,
        lost_spans=journal.lost,
    )
