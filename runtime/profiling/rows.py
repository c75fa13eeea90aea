"""A row of a profile: one combination of what is varied, and its latencies."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from ...core.options import Precision
from .statistics import LatencySummary, Stability


class LatencyClock(str, Enum):
    """What is inside a latency."""

    MODEL = "model"
    CLASSIFY = "classify"

    @property
    def description(self) -> str:
        """From where to where the clock runs."""
        return _DESCRIPTIONS[self]


_DESCRIPTIONS = {
    LatencyClock.MODEL: "a ready uint8 batch in, logits out: the graph alone",
    LatencyClock.CLASSIFY: "crops of 8 to 48 px in, predictions out: resizing, graph, temperature, softmax",
}


@dataclass(frozen=True)
class Combination:
    """What one row measures.

    Attributes:
        precision: Number format of the graph.
        batch: Faces in one run.
        threads: Threads inside one operator.
        streams: Runs at the same time, each from a thread of its own, of one graph that is loaded once.
        clock: What is inside the latency.
    """

    precision: Precision
    batch: int
    threads: int
    streams: int
    clock: LatencyClock


@dataclass(frozen=True)
class ProfileRow:
    """Latencies of one combination.

    Attributes:
        precision: Number format of the graph.
        batch: Faces in one run.
        threads: Threads inside one operator.
        clock: What is inside the latency.
        latency: All of its runs, of all streams.
        faces_per_second: Streams times ``batch`` over the mean latency.
        window_medians_ms: Median of each round, in their order.
        stability: Whether these medians agree.
        streams: Runs at the same time.
        joules_per_thousand_faces: Energy of the machine; None where nothing tells.
    """

    precision: Precision
    batch: int
    threads: int
    clock: LatencyClock
    latency: LatencySummary
    faces_per_second: float
    window_medians_ms: tuple[float, ...]
    stability: Stability
    streams: int = 1
    joules_per_thousand_faces: float | None = None

    @property
    def combination(self) -> Combination:
        """What it measures."""
        return Combination(self.precision, self.batch, self.threads, self.streams, self.clock)
