"""How long an engine of TensorRT takes: the whole, its copies and its computing apart, and its layers.

Written for the real API and executed under emulation; it has not run on a GPU yet.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timezone
from enum import Enum

import numpy as np
import numpy.typing as npt

from ...core.bundle import BundleManifest
from ...core.environment import Environment, read_environment
from ...core.errors import UsageError
from ...core.options import Backend, Precision
from ..opening import FoundEngine
from ..runner import Array
from ..tensorrt_runner import TensorRtRunner
from .engine_clocks import LayerClock, StageClock, StageTimes
from .interference import Interference, InterferenceMeter
from .report import SCHEMA_VERSION
from .statistics import LatencySummary, Stability, stability_of, summarize
from .sweep import OnProgress, ProfileConfig
from .timing import timed_runs
from .workload import crop_batches, ready_feed

_DISTINCT_BATCHES = 16
_FEWEST_RUNS = 3


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
        to_device: Copying the inputs, by the GPU's clock; this and what follows without CUDA graphs.
        compute: Running the engine.
        to_host: Copying the outputs.
        host: The rest of the latency: copying into page-locked memory, enqueueing, waiting.
        bound: Which of computing, copies and host takes longest.
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
    environment: Environment
    schema_version: int = SCHEMA_VERSION


def profile_engine(
    engine: FoundEngine, manifest: BundleManifest, config: ProfileConfig, on_progress: OnProgress | None = None
) -> EngineProfile:
    """Measure an engine on this machine's GPU.

    Args:
        engine: The engine.
        manifest: Description of its bundle.
        config: Batches, seconds, rounds; what is for CPUs is not read.
        on_progress: Called after each step.

    Raises:
        UsageError: A batch is larger than the engine's largest.
        DeviceError: The GPU refuses.
    """
    created = datetime.now(timezone.utc).isoformat(timespec="seconds")
    meter = InterferenceMeter()
    feeds = {
        batch: [ready_feed(crops, manifest) for crops in crop_batches(batch, count=_DISTINCT_BATCHES, seed=config.seed)]
        for batch in config.batches
    }
    with ExitStack() as stack:
        served = stack.enter_context(engine.runner())
        _check_batches(config.batches, served)
        clock = stack.enter_context(StageClock(engine.cuda))
        staged = stack.enter_context(engine.runner(clock))
        parts = {batch: _Part(feeds[batch], served, staged, clock) for batch in config.batches}
        _measure(parts, config, on_progress)
        rows = tuple(part.row(batch) for batch, part in parts.items())
    largest = max(config.batches)
    layers = _time_layers(engine, feeds[largest], config.seconds)
    return EngineProfile(
        bundle=manifest.name,
        created=created,
        backend=engine.record.backend,
        precision=engine.record.precision,
        engine_sha256=engine.record.engine_sha256,
        seconds=config.seconds,
        rounds=config.rounds,
        rows=rows,
        layers=layers,
        interference=meter.read(),
        environment=read_environment(),
    )


class _Part:
    """The runs of one batch size."""

    def __init__(
        self, feeds: list[dict[str, Array]], served: TensorRtRunner, staged: TensorRtRunner, clock: StageClock
    ) -> None:
        self._feeds = itertools.cycle(feeds)
        self._served = served
        self._staged = staged
        self._clock = clock
        self._rounds: list[npt.NDArray[np.float64]] = []
        self._wholes: list[npt.NDArray[np.float64]] = []
        self._stages: list[StageTimes] = []

    def warm(self, seconds: float) -> None:
        timed_runs(self._serve, seconds=seconds)
        timed_runs(self._stage, seconds=0.0)
        self._stages.clear()

    def measure(self, seconds: float) -> None:
        self._rounds.append(timed_runs(self._serve, seconds=seconds, min_runs=_FEWEST_RUNS))
        self._wholes.append(timed_runs(self._stage, seconds=seconds, min_runs=_FEWEST_RUNS))

    def row(self, batch: int) -> EngineRow:
        latency = summarize(np.concatenate(self._rounds))
        medians = tuple(float(np.median(runs)) for runs in self._rounds)
        stages = np.array([(one.to_device_ms, one.compute_ms, one.to_host_ms) for one in self._stages], np.float64)
        host = np.maximum(0.0, np.concatenate(self._wholes) - stages.sum(axis=1))
        to_device, compute, to_host, rest = (summarize(times) for times in (*stages.T, host))
        waits = {
            EngineBound.COMPUTE: compute.p50_ms,
            EngineBound.COPIES: to_device.p50_ms + to_host.p50_ms,
            EngineBound.HOST: rest.p50_ms,
        }
        return EngineRow(
            batch=batch,
            latency=latency,
            faces_per_second=batch / latency.mean_ms * 1e3,
            window_medians_ms=medians,
            stability=stability_of(medians),
            to_device=to_device,
            compute=compute,
            to_host=to_host,
            host=rest,
            bound=max(waits, key=lambda bound: waits[bound]),
        )

    def _serve(self) -> None:
        self._served.infer(next(self._feeds))

    def _stage(self) -> None:
        self._staged.infer(next(self._feeds))
        self._stages.append(self._clock.read())


def _measure(parts: Mapping[int, _Part], config: ProfileConfig, on_progress: OnProgress | None) -> None:
    batches = list(parts)
    steps = itertools.count(1)
    total = len(batches) * (1 + config.rounds)

    def step() -> None:
        done = next(steps)
        if on_progress is not None:
            on_progress(done, total)

    for batch in batches:
        parts[batch].warm(config.warmup_seconds)
        step()
    rng = np.random.default_rng(config.seed)
    for _ in range(config.rounds):
        for position in rng.permutation(len(batches)):
            parts[batches[position]].measure(config.seconds / config.rounds)
            step()


def _time_layers(engine: FoundEngine, feeds: list[dict[str, Array]], seconds: float) -> tuple[EngineLayerTime, ...]:
    clock = LayerClock(engine.trt)
    turns = itertools.cycle(feeds)
    seen: dict[str, list[float]] = {}
    with engine.runner(clock) as runner:

        def run() -> None:
            runner.infer(next(turns))
            for name, milliseconds in clock.read().items():
                seen.setdefault(name, []).append(milliseconds)

        run()
        seen.clear()  # the first run did what only a first run does
        timed_runs(run, seconds=seconds, min_runs=_FEWEST_RUNS)
    medians = {name: float(np.median(times)) for name, times in seen.items()}
    total = sum(medians.values())
    return tuple(EngineLayerTime(name, time, time / total if total else 0.0) for name, time in medians.items())


def _check_batches(batches: tuple[int, ...], runner: TensorRtRunner) -> None:
    if max(batches) > runner.batch.max:
        raise UsageError(
            "the engine serves no such batch",
            expected=f"--batch up to {runner.batch.max}",
            found=max(batches),
            fix="build the engine with a larger --batch maximum",
        )
