"""What a profile of an engine of TensorRT consists of."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from ...core.environment import Environment
from ...core.options import Backend, Precision
from .interference import Interference
from .machine_watch import MachineReport
from .report import SCHEMA_VERSION, InputFill
from .statistics import LatencySummary, Stability


class EngineBound(str, Enum):
    """What a batch waits for longest."""

    COMPUTE = "compute"
    COPIES = "copies"
    HOST = "host"


@dataclass(frozen=True)
class EngineRow:
    """Latencies of one batch size.

    Attributes:
        batch: Faces in one run.
        latency: From a ready uint8 batch in the host's memory to logits there, as it is served: work that was noted
            down as a CUDA graph is launched as one.
        faces_per_second: ``batch`` over the mean latency.
        window_medians_ms: Median of each round.
        stability: Whether these medians agree.
        to_device: Copying the inputs, by the GPU's clock; this and what follows in runs without CUDA graphs.
        compute: Running the engine; without a CUDA graph, the gaps between its launches are in it.
        to_host: Copying the outputs.
        host: The rest of those runs: copying into page-locked memory, enqueueing, waiting.
        bound: Which of computing, copies and host takes longest, where the host's part is what ``latency``, as it is
            served, takes beyond copies and computing.
        fill: Faces and padding in what the engine computes on: batches below its smallest are filled up.
        joules_per_thousand_faces: Energy of the machine while it was served; None where nothing tells.
    """

    batch: int
    latency: LatencySummary
    faces_per_second: float
    window_medians_ms: tuple[float, ...]
    stability: Stability
    to_device: LatencySummary
    compute: LatencySummary
    to_host: LatencySummary
    host: LatencySummary
    bound: EngineBound
    fill: InputFill
    joules_per_thousand_faces: float | None


def bound_of(served_ms: float, to_device_ms: float, compute_ms: float, to_host_ms: float) -> EngineBound:
    """Tell what a batch waits for longest, by median times.

    Args:
        served_ms: The whole latency, as the engine is served.
        to_device_ms: Copying the inputs.
        compute_ms: Running the engine.
        to_host_ms: Copying the outputs.
    """
    copies_ms = to_device_ms + to_host_ms
    waits = {
        EngineBound.COMPUTE: compute_ms,
        EngineBound.COPIES: copies_ms,
        EngineBound.HOST: served_ms - compute_ms - copies_ms,
    }
    return max(waits, key=lambda bound: waits[bound])


@dataclass(frozen=True)
class EngineLayerTime:
    """A layer of the engine at the largest batch, as TensorRT's profiler tells.

    Attributes:
        name: TensorRT's name for it, which holds those of the graph's nodes.
        median_ms: Its median time.
        share: Its part of the sum of all medians.
    """

    name: str
    median_ms: float
    share: float


@dataclass(frozen=True)
class EngineProfile:
    """A profile of an engine.

    Attributes:
        bundle: Name of the model.
        created: UTC time, ISO 8601.
        backend: Library that runs the engine.
        precision: Number format.
        engine_sha256: Hash of the engine.
        seconds: Time of each row.
        rounds: Parts that it is spread over.
        rows: One for each batch size.
        layers: Layers at the largest batch, in the order of execution.
        interference: What else the machine did meanwhile.
        machine: Energy and clocks meanwhile.
        environment: The machine.
        schema_version: Version of this layout.
    """

    bundle: str
    created: str
    backend: Backend
    precision: Precision
    engine_sha256: str
    seconds: float
    rounds: int
    rows: tuple[EngineRow, ...]
    layers: tuple[EngineLayerTime, ...]
    interference: Interference
    machine: MachineReport
    environment: Environment
    schema_version: int = SCHEMA_VERSION
