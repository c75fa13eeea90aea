"""Measuring the layers of a bundle's graphs, the whole graphs, and the machine's peaks, in the same rounds."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ...core.bundle import ModelBundle
from ...core.environment import read_environment
from ...core.errors import UsageError
from ...core.options import Precision
from ...runtime.onnxruntime_runner import CPU_PROVIDER, OnnxRuntimeRunner, SessionOptions
from ...runtime.opening import artifact_for
from ...runtime.profiling.config import OnProgress
from ...runtime.profiling.graphs import choose_precisions, describe_graph
from ...runtime.profiling.interference import InterferenceMeter
from ...runtime.profiling.layer_report import CopySpeed, LayerReport
from ...runtime.profiling.machine_watch import MachineWatch
from ...runtime.profiling.report import LayerProfile
from ...runtime.profiling.timing import timed_runs
from ...runtime.profiling.trace import read_trace
from ...runtime.profiling.workload import face_crops, ready_feed
from .assembly import GraphRuns, Machine, assemble
from .origins import SourceGraph
from .peaks import COPY_BYTES, FLOAT32, GEMM_SHAPES, INT8, CopyBench, best_peak, gemm_feed, gemm_graph

_MOST_RUNS = 100  # traced in each round: a trace holds half a kilobyte for each node of each run
_FEWEST_RUNS = 3
_PEAK_SECONDS = 0.02  # of each round: enough for a dozen products, and twice as many copies from a cache


@dataclass(frozen=True)
class LayerConfig:
    """What to measure.

    Attributes:
        precisions: Number formats; empty for all that the bundle has and a CPU computes in.
        batch: Faces in one run.
        threads: Threads inside one operator.
        seconds: Time of each graph and number of threads, traced and again untraced, all rounds together.
        rounds: Parts that this time is spread over.
        seed: Key of the faces and of the order within a round.
    """

    precisions: tuple[Precision, ...] = ()
    batch: int = 32
    threads: tuple[int, ...] = (1,)
    seconds: float = 2.0
    rounds: int = 6
    seed: int = 0

    def __post_init__(self) -> None:
        if self.batch < 1 or not self.threads or min(self.threads) < 1 or len(set(self.threads)) != len(self.threads):
            raise UsageError(
                "impossible batch or threads",
                expected="a batch of 1 or more, different numbers of threads from 1",
                found=f"{self.batch}, {self.threads}",
            )
        if not 0 < self.seconds <= 86400.0 or self.rounds < 1:
            raise UsageError(
                "impossible duration",
                expected="seconds above 0 and up to a day, 1 round or more",
                found=f"{self.seconds}, {self.rounds}",
            )


def profile_layers(
    bundle: ModelBundle, config: LayerConfig | None = None, on_progress: OnProgress | None = None
) -> LayerProfile:
    """Measure the layers of a bundle's graphs on the CPU, and describe what was measured and where.

    Args, errors: as those of :func:`measure_layers`.
    """
    config = config or LayerConfig()
    created = datetime.now(timezone.utc).isoformat(timespec="seconds")
    layers = measure_layers(bundle, config, on_progress)
    precisions = dict.fromkeys(run.precision for run in layers.runs)
    return LayerProfile(
        bundle=bundle.manifest.name,
        created=created,
        seconds=config.seconds,
        rounds=config.rounds,
        graphs=tuple(describe_graph(bundle, precision, CPU_PROVIDER) for precision in precisions),
        layers=layers,
        environment=read_environment(),
    )


def measure_layers(
    bundle: ModelBundle, config: LayerConfig | None = None, on_progress: OnProgress | None = None
) -> LayerReport:
    """Measure the layers of a bundle's graphs on the CPU.

    Args:
        bundle: What to measure.
        config: How; None for the defaults.
        on_progress: Called after each step.

    Raises:
        BundleError: A graph that was asked for, or every graph, is missing; the message says how to make it.
        UsageError: A number format was asked for that CPUs do not compute in.
        MissingDependencyError: ONNX Runtime or ``onnx`` is not installed.
        EngineBuildError: ONNX Runtime cannot load a graph, or its trace cannot be read.
    """
    config = config or LayerConfig()
    precisions, _ = choose_precisions(bundle, config.precisions)
    formats = (FLOAT32, INT8) if Precision.INT8 in precisions else (FLOAT32,)
    sources = {each: SourceGraph(bundle.artifact_path(artifact_for(each))) for each in precisions}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fsrfer-trace-")))
        faces = face_crops(config.batch, seed=config.seed)
        graphs = [
            _Graph.open(stack, bundle, precision, threads, faces, folder)
            for precision, threads in itertools.product(precisions, config.threads)
        ]
        products = [
            _Product.open(stack, number_format, threads, shape)
            for number_format, threads in itertools.product(formats, config.threads)
            for shape in range(len(GEMM_SHAPES))
        ]
        copies = [_Copies(CopyBench(*pair)) for pair in itertools.product(config.threads, COPY_BYTES)]
        with MachineWatch() as watch:
            meter = InterferenceMeter()
            _measure([*graphs, *products, *copies], config, on_progress)
            interference = meter.read()
        measured = [graph.runs() for graph in graphs]
    peaks = tuple(
        best_peak(number_format, threads, [one.rounds for one in products if one.key == (number_format, threads)])
        for number_format, threads in itertools.product(formats, config.threads)
    )
    speeds = tuple(copy.speed() for copy in copies)
    runs = tuple(
        assemble(each, config.batch, sources[each.precision], Machine.with_threads(peaks, speeds, each.threads))
        for each in measured
    )
    return LayerReport(runs, peaks, speeds, interference, watch.report)


@dataclass
class _Graph:
    """A graph with one number of threads, in two sessions: one that traces and one that does not."""

    precision: Precision
    threads: int
    plain: Callable[[], object]
    traced: Callable[[], object]
    runner: OnnxRuntimeRunner
    warm_runs: int = 0
    untraced: list[npt.NDArray[np.float64]] = field(default_factory=list)

    @classmethod
    def open(
        cls,
        stack: ExitStack,
        bundle: ModelBundle,
        precision: Precision,
        threads: int,
        faces: list[npt.NDArray[np.uint8]],
        folder: Path,
    ) -> _Graph:
        path = bundle.artifact_path(artifact_for(precision))
        feed = ready_feed(faces, bundle.manifest)
        plain = stack.enter_context(OnnxRuntimeRunner(path, SessionOptions(threads=threads)))
        prefix = str(folder / f"{precision.value}-{threads}")
        traced = stack.enter_context(OnnxRuntimeRunner(path, SessionOptions(threads=threads, profile_prefix=prefix)))
        return cls(precision, threads, lambda: plain.infer(feed), lambda: traced.infer(feed), traced)

    def warm(self, seconds: float) -> None:
        timed_runs(self.plain, seconds=seconds)
        self.warm_runs = len(timed_runs(self.traced, seconds=seconds, max_runs=_MOST_RUNS))

    def measure(self, seconds: float) -> None:
        self.untraced.append(timed_runs(self.plain, seconds=seconds, min_runs=_FEWEST_RUNS))
        timed_runs(self.traced, seconds=seconds, min_runs=_FEWEST_RUNS, max_runs=_MOST_RUNS)

    def runs(self) -> GraphRuns:
        trace = read_trace(self.runner.end_profiling(), skip=self.warm_runs)
        return GraphRuns(self.precision, self.threads, trace, self.untraced)


@dataclass
class _Product:
    """A matrix product of one format, number of threads and shape."""

    key: tuple[str, int]
    run: Callable[[], object]
    rounds: list[npt.NDArray[np.float64]] = field(default_factory=list)

    @classmethod
    def open(cls, stack: ExitStack, number_format: str, threads: int, shape: int) -> _Product:
        rows, depth, columns = GEMM_SHAPES[shape]
        graph = gemm_graph(number_format, depth, columns)
        runner = stack.enter_context(OnnxRuntimeRunner(graph, SessionOptions(threads=threads)))
        feed = gemm_feed(number_format, rows, depth)
        return cls((number_format, threads), lambda: runner.infer(feed))

    def warm(self, seconds: float) -> None:
        timed_runs(self.run, seconds=min(seconds, _PEAK_SECONDS))

    def measure(self, seconds: float) -> None:
        self.rounds.append(timed_runs(self.run, seconds=min(seconds, _PEAK_SECONDS), min_runs=_FEWEST_RUNS))


@dataclass
class _Copies:
    """Copies of one size with one number of threads."""

    bench: CopyBench
    kept: list[CopySpeed] = field(default_factory=list)

    def warm(self, seconds: float) -> None:
        self.bench.measure(min(seconds, _PEAK_SECONDS))

    def measure(self, seconds: float) -> None:
        self.kept.append(self.bench.measure(min(seconds, _PEAK_SECONDS)))

    def speed(self) -> CopySpeed:
        return max(self.kept, key=lambda speed: speed.gb_per_second)  # as for products: noise only lowers a rate


def _measure(parts: list[_Graph | _Product | _Copies], config: LayerConfig, on_progress: OnProgress | None) -> None:
    steps = _steps(len(parts) * (1 + config.rounds), on_progress)
    rng = np.random.default_rng(config.seed)
    seconds = config.seconds / config.rounds
    for part in parts:
        part.warm(seconds)
        next(steps)
    for _ in range(config.rounds):
        for position in rng.permutation(len(parts)):
            parts[position].measure(seconds)
            next(steps)


def _steps(total: int, on_progress: OnProgress | None) -> Iterator[None]:
    for done in itertools.count(1):
        if on_progress is not None:
            on_progress(done, total)
        yield
