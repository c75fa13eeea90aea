"""How long an engine of TensorRT takes: the whole, its copies and its computing apart, and its layers.

Written for the real API and executed under emulation; it has not run on a GPU yet.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timezone

import numpy as np
import numpy.typing as npt

from ...core.bundle import BundleManifest
from ...core.environment import read_environment
from ...core.errors import UsageError
from ..opening import FoundEngine
from ..runner import Array
from ..tensorrt_runner import TensorRtRunner
from .config import OnProgress, ProfileConfig
from .energy_shares import EnergyShares
from .engine_clocks import LayerClock, StageClock, StageTimes
from .engine_report import EngineLayerTime, EngineProfile, EngineRow, bound_of
from .interference import InterferenceMeter
from .machine_watch import MachineWatch
from .report import InputFill
from .statistics import stability_of, summarize
from .timing import timed_runs, timed_streams
from .workload import crop_batches, pixel_fill, ready_feed

_DISTINCT_BATCHES = 16
_FEWEST_RUNS = 3


@dataclass(frozen=True)
class StagedRun:
    """One run whose copies and computing were timed apart, without a CUDA graph.

    Attributes:
        batch: Faces in it.
        round: Number of its round, from 0.
        start_ms: When the host began with it, since a fixed moment.
        whole_ms: Until its results were in the host's memory, by the host's clock.
        stages: By the GPU's clock.
    """

    batch: int
    round: int
    start_ms: float
    whole_ms: float
    stages: StageTimes


OnStagedRun = Callable[[StagedRun], None]
"""Called with every run whose stages were timed."""


def profile_engine(
    engine: FoundEngine,
    manifest: BundleManifest,
    config: ProfileConfig,
    on_progress: OnProgress | None = None,
    on_run: OnStagedRun | None = None,
) -> EngineProfile:
    """Measure an engine on this machine's GPU.

    Args:
        engine: The engine.
        manifest: Description of its bundle.
        config: Batches, seconds, rounds; what is for ONNX Runtime is not read.
        on_progress: Called after each step.
        on_run: Given every run whose stages were timed.

    Raises:
        UsageError: A batch is larger than the engine's largest.
        DeviceError: The GPU refuses.
    """
    created = datetime.now(timezone.utc).isoformat(timespec="seconds")
    crops = {batch: crop_batches(batch, count=_DISTINCT_BATCHES, seed=config.seed) for batch in config.batches}
    feeds = {batch: [ready_feed(one, manifest) for one in several] for batch, several in crops.items()}
    pixels = {
        batch: pixel_fill([crop for one in several for crop in one], manifest.preprocess)
        for batch, several in crops.items()
    }
    largest = max(config.batches)
    with MachineWatch() as watch:
        meter, shares = InterferenceMeter(), EnergyShares(watch)
        with ExitStack() as stack:
            served = stack.enter_context(engine.runner())
            _check_batches(config.batches, served)
            clock = stack.enter_context(StageClock(engine.cuda))
            staged = stack.enter_context(engine.runner(clock))
            parts = {batch: _Part(batch, feeds[batch], served, staged, clock) for batch in config.batches}
            _measure(parts, config, shares, on_progress)
            least = served.batch.min
        layers = _time_layers(engine, feeds[largest], config.seconds)
        interference = meter.read()
    if on_run is not None:
        for run in itertools.chain.from_iterable(part.runs for part in parts.values()):
            on_run(run)
    return EngineProfile(
        bundle=manifest.name,
        created=created,
        backend=engine.record.backend,
        precision=engine.record.precision,
        engine_sha256=engine.record.engine_sha256,
        seconds=config.seconds,
        rounds=config.rounds,
        rows=tuple(
            part.row(InputFill(batch / max(batch, least), pixels[batch]), shares) for batch, part in parts.items()
        ),
        layers=layers,
        interference=interference,
        machine=watch.report,
        environment=read_environment(),
    )


class _Part:
    """The runs of one batch size."""

    def __init__(
        self,
        batch: int,
        feeds: list[dict[str, Array]],
        served: TensorRtRunner,
        staged: TensorRtRunner,
        clock: StageClock,
    ) -> None:
        self.batch = batch
        self.runs: list[StagedRun] = []
        self._feeds = itertools.cycle(feeds)
        self._served = served
        self._staged = staged
        self._clock = clock
        self._rounds: list[npt.NDArray[np.float64]] = []
        self._stages: list[StageTimes] = []

    def warm(self, seconds: float) -> None:
        timed_runs(self._serve, seconds=seconds)
        timed_runs(self._stage, seconds=0.0)
        self._stages.clear()

    def measure(self, seconds: float, shares: EnergyShares) -> None:
        number = len(self._rounds)
        with shares.turn_of(self.batch):
            self._rounds.append(timed_runs(self._serve, seconds=seconds, min_runs=_FEWEST_RUNS))
        (series,) = timed_streams([self._stage], seconds=seconds, min_runs=_FEWEST_RUNS)
        wholes = zip(series.start_ms.tolist(), series.latency_ms.tolist(), self._stages, strict=True)
        self.runs += (StagedRun(self.batch, number, start, whole, stages) for start, whole, stages in wholes)
        self._stages.clear()

    def row(self, fill: InputFill, shares: EnergyShares) -> EngineRow:
        latency = summarize(np.concatenate(self._rounds))
        medians = tuple(float(np.median(runs)) for runs in self._rounds)
        times = [(run.stages.to_device_ms, run.stages.compute_ms, run.stages.to_host_ms) for run in self.runs]
        stages = np.array(times, np.float64)
        host = np.maximum(0.0, np.array([run.whole_ms for run in self.runs]) - stages.sum(axis=1))
        to_device, compute, to_host, rest = (summarize(values) for values in (*stages.T, host))
        return EngineRow(
            batch=self.batch,
            latency=latency,
            faces_per_second=self.batch / latency.mean_ms * 1e3,
            window_medians_ms=medians,
            stability=stability_of(medians),
            to_device=to_device,
            compute=compute,
            to_host=to_host,
            host=rest,
            bound=bound_of(latency.p50_ms, to_device.p50_ms, compute.p50_ms, to_host.p50_ms),
            fill=fill,
            joules_per_thousand_faces=shares.per_thousand(self.batch, latency.runs * self.batch),
        )

    def _serve(self) -> None:
        self._served.infer(next(self._feeds))

    def _stage(self) -> None:
        self._staged.infer(next(self._feeds))
        self._stages.append(self._clock.read())


def _measure(
    parts: Mapping[int, _Part], config: ProfileConfig, shares: EnergyShares, on_progress: OnProgress | None
) -> None:
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
            parts[batches[position]].measure(config.seconds / config.rounds, shares)
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
