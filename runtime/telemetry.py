"""What a running pipeline measures about itself: counts and times, cheap enough to be always on."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from itertools import accumulate
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from .frame import Frame

LATENCY_BOUNDS_S: tuple[float, ...] = (
    *(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075),
    *(0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0, 30.0),
)
"""Upper bounds of the buckets of all times, in seconds."""

BATCH_BOUNDS: tuple[float, ...] = (0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
"""Upper bounds of the buckets of faces in a run of the model."""


class Stage(str, Enum):
    """A part of the way of a frame through the pipeline that takes time."""

    WAIT = "wait"
    """Between its capture and its turn, decoding included."""

    DECODE = "decode"
    """Decoding, and conversion to RGB, where FFmpeg or OpenCV does it; of frames whose turn it was."""

    DETECT = "detect"
    TRACK = "track"
    """Following faces from frame to frame, and choosing which to read."""

    CROP = "crop"
    QUEUE = "queue"
    """Waiting for the faces of other frames."""

    CLASSIFY = "classify"
    SMOOTH = "smooth"
    SINK = "sink"
    """Handing the result over to all sinks."""


@dataclass(frozen=True)
class HistogramSnapshot:
    """What a histogram holds at a moment.

    Attributes:
        bounds: Upper bounds of the buckets, rising; there is one more bucket above the last.
        counts: Observations in each of the buckets, one more than bounds.
        total: Sum of all values.
    """

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    total: float

    @property
    def count(self) -> int:
        """Number of observations."""
        return sum(self.counts)

    @property
    def mean(self) -> float | None:
        """Mean of all values; None without observations."""
        return self.total / self.count if self.count else None

    @property
    def cumulative(self) -> tuple[int, ...]:
        """Observations up to each bound, and all of them last: the buckets of Prometheus."""
        return tuple(accumulate(self.counts))

    def quantile(self, share: float) -> float | None:
        """Estimate a quantile, linear within its bucket, as Prometheus does.

        Args:
            share: 0 to 1.

        Returns:
            The value below which that share of the observations lies; the last bound where it lies above that; None
            without observations.
        """
        if not self.count:
            return None
        rank = share * self.count
        before = 0
        for lower, upper, inside in zip((0.0, *self.bounds), self.bounds, self.counts, strict=False):
            if inside and before + inside >= rank:
                return lower + (upper - lower) * max(rank - before, 0.0) / inside
            before += inside
        return self.bounds[-1]

    def since(self, earlier: HistogramSnapshot) -> HistogramSnapshot:
        """Return what was observed after an earlier snapshot of the same histogram."""
        counts = tuple(now - then for now, then in zip(self.counts, earlier.counts, strict=True))
        return HistogramSnapshot(self.bounds, counts, self.total - earlier.total)


class Histogram:
    """Counts values in buckets; may be read from any thread while one or several write.

    Args:
        bounds: Upper bounds of the buckets, rising.
    """

    def __init__(self, bounds: tuple[float, ...] = LATENCY_BOUNDS_S) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._total = 0.0
        self._lock = threading.Lock()

    def observe(self, value: float) -> None:
        """Count one value."""
        bucket = bisect_left(self._bounds, value)
        with self._lock:
            self._counts[bucket] += 1
            self._total += value

    def snapshot(self) -> HistogramSnapshot:
        """Return what it holds now."""
        with self._lock:
            return HistogramSnapshot(self._bounds, tuple(self._counts), self._total)


class SpanListener(Protocol):
    """Learns when which frames were in which stage; several threads call it at the same time."""

    def note(self, stage: Stage, begin_s: float, end_s: float, frames: Sequence[Frame], faces: int | None) -> None:
        """Take what has just ended, in the thread that worked.

        Args:
            stage: The stage.
            begin_s: When it began, on the monotonic clock.
            end_s: When it ended.
            frames: Frames that were in it together.
            faces: Faces that were worked on, where that is known.
        """


class StageTimes:
    """Times of all stages of a pipeline.

    Args:
        listener: Also learns of each single frame; None, as a rule, costs nothing.
    """

    def __init__(self, listener: SpanListener | None = None) -> None:
        self._histograms = {stage: Histogram() for stage in Stage}
        self._listener = listener

    def observe(self, stage: Stage, seconds: float) -> None:
        """Count a time that was measured elsewhere."""
        self._histograms[stage].observe(seconds)

    def note(
        self, stage: Stage, begin_s: float, end_s: float, frames: Sequence[Frame], faces: int | None = None
    ) -> None:
        """Tell the listener about frames, without counting a time; see :class:`SpanListener`."""
        if self._listener is not None:
            self._listener.note(stage, begin_s, end_s, frames, faces)

    def record(
        self, stage: Stage, begin_s: float, end_s: float, frames: Sequence[Frame], faces: int | None = None
    ) -> None:
        """Count a time and tell the listener about it; see :class:`SpanListener`."""
        self._histograms[stage].observe(end_s - begin_s)
        self.note(stage, begin_s, end_s, frames, faces)

    @contextmanager
    def measure(self, stage: Stage, *frames: Frame) -> Iterator[None]:
        """Count the time that the block takes, unless it raises.

        Args:
            stage: The stage.
            frames: The frames that are in it.
        """
        begin_s = time.monotonic()
        yield
        self.record(stage, begin_s, time.monotonic(), frames)

    def snapshot(self) -> Mapping[Stage, HistogramSnapshot]:
        """Return what is known now, in the order of the stages."""
        return {stage: histogram.snapshot() for stage, histogram in self._histograms.items()}
