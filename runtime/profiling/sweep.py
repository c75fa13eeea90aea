"""Latencies of a bundle's graphs over number formats, batches, threads and streams.

All combinations take turns in rounds, each time in another order: what else the machine does then falls on all of
them alike, and comparisons are made within a round.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...core.bundle import BundleManifest, ModelBundle
from ...core.environment import read_environment
from ...core.errors import UsageError
from ...core.options import Precision
from ...core.readings import read_fields
from ..classifier import ExpressionClassifier
from ..onnxruntime_runner import OnnxRuntimeRunner, SessionOptions
from ..opening import artifact_for
from .accuracy import accuracy_of
from .graphs import choose_precisions, describe_graph
from .interference import InterferenceMeter
from .knees import find_knees
from .report import InputFill, Int8Speedup, ProcessMemory, ProfileReport
from .rows import Combination, LatencyClock, ProfileRow
from .statistics import median_interval, stability_of, summarize
from .timing import TimedSeries, Work, timed_streams
from .workload import crop_batches, pixel_fill, ready_feed

OnProgress = Callable[[int, int], None]
"""Called with the number of steps that are done and that there are."""

OnRuns = Callable[[Combination, Sequence[TimedSeries]], None]
"""Called with the runs of each round of a combination, one series a stream."""

_RUNS_A_ROUND = 3
_DISTINCT_BATCHES = 16

_MOST_THREADS = 1024  # ONNX Runtime starts as many as it is told, and the machine stands still
_LONGEST_S = 86400.0


@dataclass(frozen=True)
class ProfileConfig:
    """What to measure.

    Attributes:
        precisions: Number formats; empty for all that the bundle has and a CPU computes in.
        batches: Faces in one run.
        threads: Threads inside one operator.
        streams: Runs at the same time.
        seconds: Time of each row, all rounds together.
        warmup_seconds: Untimed time of each row before the first round.
        rounds: Parts that the time of each row is spread over. Six are the fewest that give an interval of the
            speed-up.
        seed: Key of the crops and of the order within a round.
    """

    precisions: tuple[Precision, ...] = ()
    batches: tuple[int, ...] = (1, 8, 32)
    threads: tuple[int, ...] = (1,)
    streams: tuple[int, ...] = (1,)
    seconds: float = 2.0
    warmup_seconds: float = 0.5
    rounds: int = 6
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("batches", "threads", "streams"):
            values = getattr(self, name)
            if not values or min(values) < 1 or len(set(values)) != len(values):
                raise UsageError(f"impossible {name}", expected="different whole numbers from 1", found=values)
        most = max(self.threads) * max(self.streams)
        if most > _MOST_THREADS:
            raise UsageError(
                "impossible threads", expected=f"at most {_MOST_THREADS}, times streams", found=f"{most} threads"
            )
        if not 0 < self.seconds <= _LONGEST_S or not 0 <= self.warmup_seconds <= _LONGEST_S or self.rounds < 1:
            raise UsageError(
                "impossible duration",
                expected=f"seconds above 0, warm-up of 0 or more, neither above {_LONGEST_S}, 1 round or more",
                found=f"{self.seconds}, {self.warmup_seconds}, {self.rounds}",
            )


def profile_bundle(
    bundle: ModelBundle,
    config: ProfileConfig | None = None,
    on_progress: OnProgress | None = None,
    on_runs: OnRuns | None = None,
) -> ProfileReport:
    """Measure the latencies of a bundle's graphs on the CPU.

    Args:
        bundle: What to measure.
        config: How; None for the defaults.
        on_progress: Called after each step.
        on_runs: Given every single run.

    Raises:
        BundleError: A graph that was asked for, or every graph, is missing; the message says how to make it.
        UsageError: A number format was asked for that CPUs do not compute in.
        MissingDependencyError: ONNX Runtime is not installed.
        EngineBuildError: ONNX Runtime cannot load a graph.
    """
    config = config or ProfileConfig()
    precisions, skipped = choose_precisions(bundle, config.precisions)
    created = datetime.now(timezone.utc).isoformat(timespec="seconds")
    before = _resident("VmRSS")
    with ExitStack() as stack:
        runners = {
            (precision, threads): stack.enter_context(
                OnnxRuntimeRunner(bundle.artifact_path(artifact_for(precision)), SessionOptions(threads=threads))
            )
            for precision in precisions
            for threads in config.threads
        }
        work = {
            combination: streams
            for (precision, threads), runner in runners.items()
            for batch, count in itertools.product(config.batches, config.streams)
            for combination, streams in _work(runner, bundle.manifest, precision, threads, batch, count, config.seed)
        }
        meter = InterferenceMeter()
        rounds, opened = _measure(work, config, on_progress or _ignore, on_runs or _ignore)
        interference = meter.read()
        graphs = tuple(
            describe_graph(bundle, precision, runners[precision, config.threads[0]].provider)
            for precision in precisions
        )
    rows = tuple(_row(combination, parts) for combination, parts in rounds.items())
    return ProfileReport(
        bundle=bundle.manifest.name,
        created=created,
        seconds=config.seconds,
        warmup_seconds=config.warmup_seconds,
        rounds=config.rounds,
        graphs=graphs,
        skipped=skipped,
        rows=rows,
        speedups=_speedups(rounds),
        knees=find_knees(rows),
        fill=_fill(bundle.manifest, config),
        accuracy=accuracy_of(bundle.manifest),
        interference=interference,
        memory=ProcessMemory(before, opened, _resident("VmHWM")),
        environment=read_environment(),
    )


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
    work: Mapping[Combination, Sequence[Work]], config: ProfileConfig, on_progress: OnProgress, on_runs: OnRuns
) -> tuple[dict[Combination, list[npt.NDArray[np.float64]]], int | None]:
    combinations = list(work)
    steps = itertools.count(1)
    total = len(combinations) * (1 + config.rounds)
    for combination in combinations:
        timed_streams(work[combination], seconds=config.warmup_seconds, min_runs=1)
        on_progress(next(steps), total)
    resident = _resident("VmRSS")
    rng = np.random.default_rng(config.seed)
    rounds: dict[Combination, list[npt.NDArray[np.float64]]] = {combination: [] for combination in combinations}
    for _ in range(config.rounds):
        for position in rng.permutation(len(combinations)):
            combination = combinations[position]
            streams = work[combination]
            streams[0]()  # the caches hold what ran before
            series = timed_streams(streams, seconds=config.seconds / config.rounds, min_runs=_RUNS_A_ROUND)
            rounds[combination].append(np.concatenate([one.latency_ms for one in series]))
            on_runs(combination, series)
            on_progress(next(steps), total)
    return rounds, resident


def _row(combination: Combination, parts: list[npt.NDArray[np.float64]]) -> ProfileRow:
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
    )


def _speedups(rounds: Mapping[Combination, list[npt.NDArray[np.float64]]]) -> tuple[Int8Speedup, ...]:
    speedups = []
    for fp32, parts in rounds.items():
        int8 = rounds.get(replace(fp32, precision=Precision.INT8))
        if fp32.precision is Precision.FP32 and int8 is not None:
            pairs = zip(parts, int8, strict=True)
            ratios = np.array([np.median(fp32_part) / np.median(int8_part) for fp32_part, int8_part in pairs])
            speedups.append(
                Int8Speedup(
                    batch=fp32.batch,
                    threads=fp32.threads,
                    streams=fp32.streams,
                    clock=fp32.clock,
                    median=float(np.median(ratios)),
                    interval=median_interval(ratios),
                    by_round=tuple(float(ratio) for ratio in ratios),
                )
            )
    return tuple(speedups)


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
