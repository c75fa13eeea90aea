"""The run of a pipeline as a file for https://ui.perfetto.dev and chrome://tracing.

The format is the "Trace Event Format" of Chromium, in its form as an object. Work is a complete event (``X``) on the
row of its thread; waiting, in which frames overlap, is a nestable asynchronous event (``b``, ``e``) on a row of its
frame; flow events (``s``, ``t``, ``f``) lead from each frame's first work to its last. Times are microseconds from the
first event. The file holds no picture, no result and no address, only the names of sources that people see anyway.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...core.files import atomic_path
from ...core.provenance import package_version
from ..pipeline_report import PipelineReport
from .span_journal import FrameKey, Span, SpanJournal

_MOST_SAMPLES = 20_000


@dataclass(frozen=True)
class _Sample:
    time_s: float
    dropped: dict[str, int]
    pending: int


class TraceRecorder(SpanJournal):
    """Keeps what a trace shows: spans, and now and then what was dropped and what waits."""

    def __init__(self, most: int | None = None) -> None:
        super().__init__(*(() if most is None else (most,)))
        self._samples: list[_Sample] = []

    def sample(self, report: PipelineReport, now_s: float) -> None:
        """Keep the counts of a moment.

        Args:
            report: What the pipeline did so far.
            now_s: Present time of the monotonic clock.
        """
        dropped = {source.name: source.dropped for source in report.sources if source.is_live}
        self._samples.append(_Sample(now_s, dropped, report.pending_frames))
        if len(self._samples) > _MOST_SAMPLES:
            del self._samples[::2]  # every other one: the whole run stays in sight

    def write(self, path: Path) -> int:
        """Write the trace, atomically.

        Args:
            path: The file.

        Returns:
            Number of events.
        """
        spans = self.spans()
        moments = [*(span.begin_s for span in spans[:1]), *(sample.time_s for sample in self._samples[:1])]
        writer = _TraceEvents(spans, self._samples, min(moments, default=0.0))
        count = 0
        with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8") as stream:
            about = {"program": "fsrfer", "version": package_version("fsrfer"), "spans_left_out": self.lost}
            stream.write('{"displayTimeUnit": "ms", "otherData": ' + json.dumps(about) + ', "traceEvents": [\n')
            for event in writer.events():
                stream.write((",\n" if count else "") + json.dumps(event, ensure_ascii=False))
                count += 1
            stream.write("\n]}\n")
        return count


@dataclass
class _TraceEvents:
    spans: Sequence[Span]
    samples: Sequence[_Sample]
    origin_s: float
    rows: dict[str, int] = field(default_factory=dict)
    pid: int = field(default_factory=os.getpid)

    def events(self) -> Iterator[dict[str, Any]]:
        yield self._event("M", "process_name", 0, args={"name": "fsrfer"})
        yield from self._work()
        yield from self._frames()
        yield from self._counters()
        for name, tid in self.rows.items():
            yield self._event("M", "thread_name", tid, args={"name": name})
            yield self._event("M", "thread_sort_index", tid, args={"sort_index": tid})

    def _work(self) -> Iterator[dict[str, Any]]:
        for span in self.spans:
            if not span.is_wait:
                args: dict[str, Any] = {"frames": [{"source": source, "frame": index} for source, index in span.frames]}
                if span.faces is not None:
                    args["faces"] = span.faces
                yield {
                    **self._event("X", span.stage.value, self._row(span), span.begin_s, args=args),
                    "cat": "work",
                    "dur": round(self._microseconds(span.end_s) - self._microseconds(span.begin_s), 1),
                }

    def _frames(self) -> Iterator[dict[str, Any]]:
        by_frame: dict[FrameKey, list[Span]] = {}
        for span in self.spans:
            for key in span.frames:
                by_frame.setdefault(key, []).append(span)
        for number, (key, spans) in enumerate(by_frame.items(), start=1):
            yield from self._waits(number, key, spans)
            yield from self._flow(number, [span for span in spans if not span.is_wait])

    def _waits(self, number: int, key: FrameKey, spans: Sequence[Span]) -> Iterator[dict[str, Any]]:
        def event(phase: str, name: str, time_s: float, **more: Any) -> dict[str, Any]:
            return {**self._event(phase, name, 0, time_s, **more), "cat": "frame", "id": f"0x{number:x}"}

        args = {"source": key[0], "frame": key[1]}
        yield event("b", "frame", min(span.begin_s for span in spans), args=args)
        for span in spans:
            if span.is_wait:
                yield event("b", span.stage.value, span.begin_s)
                yield event("e", span.stage.value, span.end_s)
        yield event("e", "frame", max(span.end_s for span in spans))

    def _flow(self, number: int, work: Sequence[Span]) -> Iterator[dict[str, Any]]:
        if len(work) < 2:
            return
        for position, span in enumerate(work):
            phase = "s" if position == 0 else "f" if position == len(work) - 1 else "t"
            event = {**self._event(phase, "frame", self._row(span), span.begin_s), "cat": "flow", "id": number}
            yield {**event, "bp": "e"} if phase == "f" else event

    def _counters(self) -> Iterator[dict[str, Any]]:
        for sample in self.samples:
            if sample.dropped:
                yield self._event("C", "frames dropped", 0, sample.time_s, args=sample.dropped)
            yield self._event("C", "frames that wait for a batch", 0, sample.time_s, args={"frames": sample.pending})

    def _row(self, span: Span) -> int:
        return self.rows.setdefault(span.row, len(self.rows) + 1)

    def _event(
        self, phase: str, name: str, tid: int, time_s: float | None = None, args: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        event: dict[str, Any] = {"ph": phase, "name": name, "pid": self.pid, "tid": tid}
        event["ts"] = 0 if time_s is None else self._microseconds(time_s)
        return event if args is None else {**event, "args": args}

    def _microseconds(self, time_s: float) -> float:
        return round(1e6 * (time_s - self.origin_s), 1)
