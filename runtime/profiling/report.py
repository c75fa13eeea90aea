"""What a profile consists of; :func:`fsrfer.core.schema.to_mapping` makes its JSON."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from ...core.environment import Environment
from ...core.options import Precision
from .statistics import LatencySummary, Stability

SCHEMA_VERSION = 1


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
class ProfileRow:
    """Latencies of one combination.

    Attributes:
        precision: Number format of the graph.
        batch: Faces in one run.
        threads: Threads inside one operator.
        clock: What is inside the latency.
        latency: All of its runs.
        faces_per_second: ``batch`` over the mean latency.
        window_medians_ms: Median of each round, in their order.
        stability: Whether these medians agree.
    """

    precision: Precision
    batch: int
    threads: int
    clock: LatencyClock
    latency: LatencySummary
    faces_per_second: float
    window_medians_ms: tuple[float, ...]
    stability: Stability


@dataclass(frozen=True)
class Int8Speedup:
    """How many times faster INT8 is than FP32, compared within each round so that they share its noise.

    Attributes:
        batch: Faces in one run.
        threads: Threads inside one operator.
        clock: What is inside the latency.
        median: Median over the rounds of FP32's median latency divided by INT8's.
        interval: 95 % interval of that median; None for fewer than six rounds.
        by_round: The ratio of each round.
    """

    batch: int
    threads: int
    clock: LatencyClock
    median: float
    interval: tuple[float, float] | None
    by_round: tuple[float, ...]


@dataclass(frozen=True)
class ProfiledGraph:
    """A graph that was measured.

    Attributes:
        precision: Its number format.
        kind: Its key in the bundle.
        sha256: Hash of the file.
        size_bytes: Size of the file.
        provider: Execution provider that was really bound.
        agreement_with_fp32: Fraction of held-out faces that it decides as FP32 does, from the bundle's calibration;
            None where the bundle does not say.
    """

    precision: Precision
    kind: str
    sha256: str
    size_bytes: int
    provider: str
    agreement_with_fp32: float | None


@dataclass(frozen=True)
class SkippedPrecision:
    """A graph of the bundle that was not measured.

    Attributes:
        precision: Its number format.
        reason: Why not.
    """

    precision: Precision
    reason: str


@dataclass(frozen=True)
class ProcessMemory:
    """Resident memory of the process; None where the kernel does not say.

    Attributes:
        before_bytes: Before the first graph was opened.
        open_bytes: With all of them open and warm.
        peak_bytes: The most there ever was.
    """

    before_bytes: int | None
    open_bytes: int | None
    peak_bytes: int | None


@dataclass(frozen=True)
class ProfileReport:
    """A profile of a bundle.

    Attributes:
        bundle: Name of the model.
        created: UTC time, ISO 8601.
        seconds: Time of each row.
        warmup_seconds: Untimed time of each row before.
        rounds: Parts that the time of each row is spread over.
        graphs: What was measured.
        skipped: What was not.
        rows: Latencies.
        speedups: INT8 against FP32, where both were measured.
        memory: Memory of the process.
        environment: The machine.
        schema_version: Version of this layout.
    """

    bundle: str
    created: str
    seconds: float
    warmup_seconds: float
    rounds: int
    graphs: tuple[ProfiledGraph, ...]
    skipped: tuple[SkippedPrecision, ...]
    rows: tuple[ProfileRow, ...]
    speedups: tuple[Int8Speedup, ...]
    memory: ProcessMemory
    environment: Environment
    schema_version: int = SCHEMA_VERSION
