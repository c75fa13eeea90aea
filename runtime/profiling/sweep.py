"""Latencies of a bundle's graphs over number formats, batches, threads and streams.

All combinations take turns in rounds, each time in another order: what else the machine does then falls on all of
them alike, and comparisons are made within a round.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...core.bundle import BundleManifest, ModelBundle
from ...core.environment import read_environment
from ...core.options import Precision
from ...core.readings import read_fields
from ...datasets import EVALUATION_SIZES, FaceDataset
from ..classifier import ExpressionClassifier
from ..onnxruntime_runner import OnnxRuntimeRunner, SessionOptions
from ..opening import artifact_for
from .accuracy import accuracy_of
from .config import OnProgress, ProfileConfig
from .energy_shares import EnergyShares
from .graphs import choose_precisions, describe_graph
from .interference import InterferenceMeter
from .knees import find_knees
from .machine_watch import MachineWatch
from .measured_accuracy import measure_accuracy
from .report import InputFill, ProcessMemory, ProfiledGraph, ProfileReport
from .rows import Combination, LatencyClock, ProfileRow
from .speedups import find_speedups
from .statistics import stability_of, summarize
from .timing import TimedSeries, Work, timed_streams
from .workload import crop_batches, pixel_fill, ready_feed

OnRuns = Callable[[Combination, Sequence[TimedSeries]], None]
"""Called with the runs of each round of a combination, one series a stream."""

_Rounds = dict[Combination, list[npt.NDArray[np.float64]]]
_RUNS_A_ROUND = 3
_DISTINCT_BATCHES = 16


def profile_bundle(
    bundle: ModelBundle,
    config: ProfileConfig | None = None,
    on_progress: OnProgress | None = None,
    on_runs: OnRuns | None = None,
    faces: FaceDataset | None = None,
) -> ProfileReport:
    """Measure the latencies of a bundle's graphs on ONNX Runtime.

    Args:
        bundle: What to measure.
        config: How; None for the defaults.
        on_progress: Called after each step.
        on_runs: Given every single run.
        faces: Labelled faces to evaluate each graph on, after its latencies; None for none.

    Raises:
        BundleError: A graph that was asked for, or every graph, is missing; the message says how to make it.
        UsageError: A number format was asked for that CPUs do not compute in, on a CPU.
        MissingDependencyError: ONNX Runtime is not installed.
        BackendUnavailableError: The provider is not there, or could not be bound.
        EngineBuildError: ONNX Runtime cannot load a graph.
        DatasetError: Faces have an expression that the model does not know.
    """
    config = config or ProfileConfig()
    precisions, skipped = choose_precisions(bundle, config.precisions, config.provider)
    created = datetime.now(timezone.utc).isoformat(timespec="seconds")
    before = _resident("VmRSS")
    with ExitStack() as stack:
        runners = _open(stack, bundle, precisions, config)
        work = {
            combination: streams
            for (precision, threads), runner in runners.items()
            for batch, count in itertools.product(config.batches, config.streams)
            for combination, streams in _work(runner, bundle.manifest, precision, threads, batch, count, config.seed)
        }
        with MachineWatch() as watch:
            meter, shares = InterferenceMeter(), EnergyShares(watch)
            rounds, opened = _measure(work, config, shares, on_progress or _ignore, on_runs or _ignore)
            interference = meter.read()
        memory = ProcessMemory(before, opened, _resident("VmHWM"))
        graphs = tuple(
            _graph(bundle, precision, runners[precision, config.threads[0]], faces) for precision in precisions
        )
    rows = tuple(_row(combination, parts, shares) for combination, parts in rounds.items())
    return ProfileReport(
        bundle=bundle.manifest.name,
        created=created,
        seconds=config.seconds,
        warmup_seconds=config.warmup_seconds,
        rounds=config.rounds,
        graphs=graphs,
        skipped=skipped,
        rows=rows,
        speedups=find_speedups(rounds),
        knees=find_knees(rows),
        fill=_fill(bundle.manifest, config),
        accuracy=accuracy_of(bundle.manifest),
        interference=interference,
        memory=memory,
        environment=read_environment(),
        machine=watch.report,
        spinning=config.spinning,
        accuracy_faces=None if faces is None else faces.dataset_id,
    )


def _open(
    stack: ExitStack, bundle: ModelBundle, precisions: Sequence[Precision], config: ProfileConfig
) -> dict[tuple[Precision, int], OnnxRuntimeRunner]:
    names = config.provider.names
    return {
        (precision, threads): stack.enter_context(
            OnnxRuntimeRunner(
                bundle.artifact_path(artifact_for(precision, names)),
                SessionOptions(providers=names, threads=threads, spinning=config.spinning),
            )
        )
        for precision in precisions
        for threads in config.threads
    }


def _graph(
    bundle: ModelBundle, precision: Precision, runner: OnnxRuntimeRunner, faces: FaceDataset | None
) -> ProfiledGraph:
    graph = describe_graph(bundle, precision, runner.provider)
    if faces is None:
        return graph
    return replace(graph, accuracy=measure_accuracy(runner, bundle.manifest, faces, EVALUATION_SIZES))


def _work(
    runner: OnnxRuntimeRunner,
    manifest: BundleManifest,
    precision: Precision,
    threads: int,
    batch: int,
    streams: int,
    seed: int,
) -> Iterator[tuple[Combination, list[Work]]]:
    batches = crop_batches(batch, count=_DISTINCT_BATCHES, seed=seed)
    ready = [ready_feed(crops, manifest) for crops in batches]
    classifier = ExpressionClassifier(runner, manifest, max_batch=batch)

    def turns(function: Callable[[Any], object], values: Sequence[Any], stream: int) -> Work:
        # Streams begin at different batches, and no two of them share an iterator.
        start = stream % len(values)
        turn = itertools.cycle([*values[start:], *values[:start]])
        return lambda: function(next(turn))

    for clock, function, values in (
        (LatencyClock.MODEL, runner.infer, ready),
        (LatencyClock.CLASSIFY, classifier.classify, batches),
    ):
        works = [turns(function, values, stream) for stream in range(streams)]
        yield Combination(precision, batch, threads, streams, clock), works


def _measure(
    work: Mapping[Combination, Sequence[Work]],
    config: ProfileConfig,
    shares: EnergyShares,
    on_progress: OnProgress,
    on_runs: OnRuns,
) -> tuple[_Rounds, int | None]:
    combinations = list(work)
    steps = itertools.count(1)
    total = len(combinations) * (1 + config.rounds)
    for combination in combinations:
        timed_streams(work[combination], seconds=config.warmup_seconds, min_runs=1)
        on_progress(next(steps), total)
    resident = _resident("VmRSS")
    rng = np.random.default_rng(config.seed)
    rounds: _Rounds = {combination: [] for combination in combinations}
    for _ in range(config.rounds):
        for position in rng.permutation(len(combinations)):
            combination = combinations[position]
            streams = work[combination]
            streams[0]()  # the caches hold what ran before
            with shares.turn_of(combination):
                series = timed_streams(streams, seconds=config.seconds / config.rounds, min_runs=_RUNS_A_ROUND)
            rounds[combination].append(np.concatenate([one.latency_ms for one in series]))
            on_runs(combination, series)
            on_progress(next(steps), total)
    return rounds, resident


def _row(combination: Combination, parts: list[npt.NDArray[np.float64]], shares: EnergyShares) -> ProfileRow:
    latency = summarize(np.concatenate(parts))
    medians = tuple(float(np.median(part)) for part in parts)
    return ProfileRow(
        precision=combination.precision,
        batch=combination.batch,
        threads=combination.threads,
        streams=combination.streams,
        clock=combination.clock,
        latency=latency,
        faces_per_second=combination.streams * combination.batch / latency.mean_ms * 1e3,
        window_medians_ms=medians,
        stability=stability_of(medians),
        joules_per_thousand_faces=shares.per_thousand(combination, latency.runs * combination.batch),
    )


def _fill(manifest: BundleManifest, config: ProfileConfig) -> InputFill:
    # OnnxRuntimeRunner refuses a batch that is not the graph's own, so no row is ever filled up.
    crops = [
        crop for batch in config.batches for crops in crop_batches(batch, count=_DISTINCT_BATCHES) for crop in crops
    ]
    return InputFill(rows=1.0, pixels=pixel_fill(crops, manifest.preprocess))


def _ignore(*_: object) -> None:
    pass


def _resident(field: str) -> int | None:
    kibibytes = read_fields(Path("/proc/self/status")).get(field, "").partition(" ")[0]
    return int(kibibytes) * 1024 if kibibytes.isdecimal() else None
