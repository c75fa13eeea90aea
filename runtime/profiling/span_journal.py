"""Keeps when frames were in which stage, of the last so many stages."""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from ..frame import Frame
from ..telemetry import Stage

PIPELINE_ROW = "fsrfer-pipeline"
MOST_SPANS = 100_000

_MAIN_THREAD = "MainThread"

FrameKey = tuple[str, int]
"""Name of the source and index of the frame. The frame itself is not kept: its picture must not outlive it."""


class Span(NamedTuple):
    """A stage of one frame, or of several together.

    Attributes:
        stage: The stage.
        begin_s: When it began, on the monotonic clock.
        end_s: When it ended.
        thread: Name of the thread that noted its end.
        frames: Who was in it.
        faces: Faces that were worked on; None where nobody said.
    """

    stage: Stage
    begin_s: float
    end_s: float
    thread: str
    frames: tuple[FrameKey, ...]
    faces: int | None

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.end_s - self.begin_s

    @property
    def is_wait(self) -> bool:
        """Whether frames were waiting, and nobody worked."""
        return self.stage in (Stage.WAIT, Stage.QUEUE)

    @property
    def row(self) -> str:
        """What worked: a thread, or all threads that decode a source, which come and go with its connections."""
        if self.stage is Stage.DECODE:
            return f"decode {self.frames[0][0]}"
        return PIPELINE_ROW if self.thread == _MAIN_THREAD else self.thread


class SpanJournal:
    """A :class:`~fsrfer.runtime.telemetry.SpanListener` that keeps spans; the oldest ones give way.

    Args:
        most: Most spans that are kept; about 250 bytes each.
    """

    def __init__(self, most: int = MOST_SPANS) -> None:
        self._spans: deque[Span] = deque(maxlen=most)
        self._count = itertools.count()
        self._seen = 0

    def note(self, stage: Stage, begin_s: float, end_s: float, frames: Sequence[Frame], faces: int | None) -> None:
        """Keep a span."""
        keys = tuple((frame.source, frame.index) for frame in frames)
        self._spans.append(Span(stage, begin_s, end_s, threading.current_thread().name, keys, faces))
        self._seen = next(self._count) + 1  # one thread may set it back by the few that came in between

    @property
    def lost(self) -> int:
        """About how many spans gave way to newer ones."""
        return max(self._seen - len(self._spans), 0)

    def spans(self) -> list[Span]:
        """Return what is kept, by the time of its begin; call it when nobody writes any more."""
        return sorted(self._spans, key=lambda span: (span.begin_s, -span.end_s))
