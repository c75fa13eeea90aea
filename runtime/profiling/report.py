"""What a profile consists of; :func:`fsrfer.core.schema.to_mapping` makes its JSON."""

from __future__ import annotations

from dataclasses import dataclass

from ...core.environment import Environment
from ...core.options import Precision
from .accuracy import AccuracyAtSize
from .interference import Interference
from .knees import BatchKnee
from .layer_report import LayerReport
from .machine_watch import MachineReport
from .rows import ProfileRow
from .speedups import Int8Speedup

SCHEMA_VERSION = 3


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
        agreement_by_size: The same by face size in pixels.
        calibration_sha256: Hash of the faces that the ranges of INT8 were measured on; None for other graphs.
        accuracy: Its own accuracy by face size, measured in this run; empty where no faces were given.
    """

    precision: Precision
    kind: str
    sha256: str
    size_bytes: int
    provider: str
    agreement_with_fp32: float | None
    agreement_by_size: dict[str, float]
    calibration_sha256: str | None
    accuracy: tuple[AccuracyAtSize, ...] = ()


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
class InputFill:
    """How much of what the model computes on are faces, and how much is padding.

    Attributes:
        rows: Part of a batch's rows that are faces; 1 where the graph's batch axis is free, as nothing is filled up.
        pixels: Part of the input's pixels that the crops really had, on average over the crops of the measurement;
            the others were interpolated, and cost the same.
    """

    rows: float
    pixels: float


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
        knees: Batches from which on larger ones gain little.
        fill: Faces and padding in what the model computes on.
        accuracy: Accuracy by face size, from the bundle's evaluation on its test split; empty where there was none.
        interference: What else the machine did meanwhile.
        memory: Memory of the process.
        environment: The machine.
        layers: Times of the layers; None where they were not asked for.
        machine: Energy and clocks while the rows were measured; None in files of version 2.
        spinning: Idle threads of ONNX Runtime spun instead of sleeping.
        accuracy_faces: Identity of the faces that the graphs were evaluated on; None for none.
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
    knees: tuple[BatchKnee, ...]
    fill: InputFill
    accuracy: tuple[AccuracyAtSize, ...]
    interference: Interference
    memory: ProcessMemory
    environment: Environment
    layers: LayerReport | None = None
    machine: MachineReport | None = None
    spinning: bool = False
    accuracy_faces: str | None = None
    schema_version: int = SCHEMA_VERSION


@dataclass(frozen=True)
class LayerProfile:
    """A profile of layers alone.

    Attributes:
        bundle: Name of the model.
        created: UTC time, ISO 8601.
        seconds: Time of each graph and number of threads, traced and again untraced.
        rounds: Parts that this time is spread over.
        graphs: What was measured.
        layers: Times of the layers, and what else the machine did meanwhile.
        environment: The machine.
        schema_version: Version of this layout.
    """

    bundle: str
    created: str
    seconds: float
    rounds: int
    graphs: tuple[ProfiledGraph, ...]
    layers: LayerReport
    environment: Environment
    schema_version: int = SCHEMA_VERSION
