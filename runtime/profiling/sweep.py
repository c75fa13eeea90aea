"""Latencies of a bundle's graphs over number formats, batches and threads.

All combinations take turns in rounds, each time in another order: what else the machine does then falls on all of
them alike, and comparisons are made within a round.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...core.bundle import ArtifactKind, BundleManifest, ModelBundle
from ...core.environment import read_environment
from ...core.errors import BundleError, UsageError
from ...core.options import Precision
from ...core.readings import read_fields
from ..classifier import ExpressionClassifier
from ..onnxruntime_runner import OnnxRuntimeRunner, SessionOptions
from ..opening import artifact_for
from .report import (
    Int8Speedup,
    LatencyClock,
    ProcessMemory,
    ProfiledGraph,
    ProfileReport,
    ProfileRow,
    SkippedPrecision,
)
from .statistics import median_interval, stability_of, summarize
from .timing import timed_runs, warm_up
from .workload import crop_batches, ready_feed

OnProgress = Callable[[int, int], None]
"""Called with the number of steps that are done and that there are."""

_RUNS_A_ROUND = 3
_DISTINCT_BATCHES = 16
_NO_FP16 = "CPUs compute in float32: half precision would only add conversions; it is for GPUs"


_MOST_THREADS = 1024  # ONNX Runtime starts as many as it is told, and the machine stands still
_LONGEST_S = 86400.0


@dataclass(frozen=True)
class ProfileConfig:
    """What to measure.

    Attributes:
        precisions: Number formats; empty for all that the bundle has and a CPU computes in.
        batches: Faces in one run.
        threads: Threads inside one operator.
        seconds: Time of each row, all rounds together.
        warmup_seconds: Untimed time of each row before the first round.
        rounds: Parts that the time of each row is spread over. Six are the fewest that give an interval of the
            speed-up.
        seed: Key of the crops and of the order within a round.
    """

    precisions: tuple[Precision, ...] = ()
    batches: tuple[int, ...] = (1, 8, 32)
    threads: tuple[int, ...] = (1,)
    seconds: float = 2.0
    warmup_seconds: float = 0.5
    rounds: int = 6
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("batches", "threads"):
            values = getattr(self, name)
            if not values or min(values) < 1 or len(set(values)) != len(values):
                raise UsageError(f"impossible {name}", expected="different whole numbers from 1", found=values)
        if max(self.threads) > _MOST_THREADS:
            raise UsageError("impossible threads", expected=f"at most {_MOST_THREADS}", found=max(self.threads))
        if not 0 < self.seconds <= _LONGEST_S or not 0 <= self.warmup_seconds <= _LONGEST_S or self.rounds < 1:
            raise UsageError(
                "impossible duration",
                expected=f"seconds above 0, warm-up of 0 or more, neither above {_LONGEST_S}, 1 round or more",
                found=f"{self.seconds}, {self.warmup_seconds}, {self.rounds}",
            )


@dataclass(frozen=True)
class _Cell:
    precision: Precision
    batch: int
    threads: int
    clock: LatencyClock


def profile_bundle(
    bundle: ModelBundle, config: ProfileConfig | None = None, on_progress: OnProgress | None = None
) -> ProfileReport:
    """Measure the latencies of a bundle's graphs on the CPU.

    Args:
        bundle: What to measure.
        config: How; None for the defaults.
        on_progress: Called after each step.

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
            _Cell(precision, batch, threads, clock): run
            for (precision, threads), runner in runners.items()
            for batch in config.batches
            for clock, run in _work(runner, bundle.manifest, batch, config.seed).items()
        }
        rounds, opened = _measure(work, config, on_progress or _ignore)
        graphs = tuple(
            _describe_graph(bundle, precision, runners[precision, config.threads[0]].provider)
            for precision in precisions
        )
    return ProfileReport(
        bundle=bundle.manifest.name,
        created=created,
        seconds=config.seconds,
        warmup_seconds=config.warmup_seconds,
        rounds=config.rounds,
        graphs=graphs,
        skipped=skipped,
        rows=tuple(_row(cell, parts) for cell, parts in rounds.items()),
        speedups=_speedups(rounds),
        memory=ProcessMemory(before, opened, _resident("VmHWM")),
        environment=read_environment(),
    )


def choose_precisions(
    bundle: ModelBundle, wanted: tuple[Precision, ...]
) -> tuple[tuple[Precision, ...], tuple[SkippedPrecision, ...]]:
    """Return the number formats to measure on a CPU, and those that the bundle has and that are left out.

    Args:
        bundle: What to measure.
        wanted: Those that were asked for; empty for all that there are.

    Raises:
        BundleError: There is no graph to measure.
        UsageError: Half precision was asked for.
    """
    of_gpus = {Precision.FP16, Precision.BF16}
    if asked := of_gpus.intersection(wanted):
        names = ", ".join(sorted(precision.value for precision in asked))
        raise UsageError(f"{names} is not measured on the CPU", found=_NO_FP16, fix="--precision fp32,int8")
    if wanted:
        return tuple(dict.fromkeys(wanted)), ()
    present = tuple(precision for precision in Precision if bundle.has(artifact_for(precision)))
    chosen = tuple(precision for precision in present if precision not in of_gpus)
    if not chosen:
        raise BundleError(
            f"bundle {bundle.path} has no graph for the CPU",
            fix=ArtifactKind.ONNX_FP32.made_by.format(bundle=bundle.path),
        )
    skipped = tuple(SkippedPrecision(precision, _NO_FP16) for precision in present if precision in of_gpus)
    return chosen, skipped


def _work(
    runner: OnnxRuntimeRunner, manifest: BundleManifest, batch: int, seed: int
) -> dict[LatencyClock, Callable[[], object]]:
    batches = crop_batches(batch, count=_DISTINCT_BATCHES, seed=seed)
    feeds = itertools.cycle([ready_feed(crops, manifest) for crops in batches])
    turns = itertools.cycle(batches)
    classifier = ExpressionClassifier(runner, manifest, max_batch=batch)
    return {
        LatencyClock.MODEL: lambda: runner.infer(next(feeds)),
        LatencyClock.CLASSIFY: lambda: classifier.classify(next(turns)),
    }


def _measure(
    work: Mapping[_Cell, Callable[[], object]], config: ProfileConfig, on_progress: OnProgress
) -> tuple[dict[_Cell, list[npt.NDArray[np.float64]]], int | None]:
    cells = list(work)
    steps = itertools.count(1)
    total = len(cells) * (1 + config.rounds)
    for cell in cells:
        warm_up(work[cell], seconds=config.warmup_seconds)
        on_progress(next(steps), total)
    resident = _resident("VmRSS")
    rng = np.random.default_rng(config.seed)
    rounds: dict[_Cell, list[npt.NDArray[np.float64]]] = {cell: [] for cell in cells}
    for _ in range(config.rounds):
        for position in rng.permutation(len(cells)):
            cell = cells[position]
            work[cell]()  # the caches hold what ran before
            latencies = timed_runs(work[cell], seconds=config.seconds / config.rounds, min_runs=_RUNS_A_ROUND)
            rounds[cell].append(latencies)
            on_progress(next(steps), total)
    return rounds, resident


def _row(cell: _Cell, parts: list[npt.NDArray[np.float64]]) -> ProfileRow:
    latency = summarize(np.concatenate(parts))
    medians = tuple(float(np.median(part)) for part in parts)
    return ProfileRow(
        precision=cell.precision,
        batch=cell.batch,
        threads=cell.threads,
        clock=cell.clock,
        latency=latency,
        faces_per_second=cell.batch / latency.mean_ms * 1e3,
        window_medians_ms=medians,
        stability=stability_of(medians),
    )


def _speedups(rounds: Mapping[_Cell, list[npt.NDArray[np.float64]]]) -> tuple[Int8Speedup, ...]:
    speedups = []
    for cell, parts in rounds.items():
        int8 = rounds.get(_Cell(Precision.INT8, cell.batch, cell.threads, cell.clock))
        if cell.precision is Precision.FP32 and int8 is not None:
            pairs = zip(parts, int8, strict=True)
            ratios = np.array([np.median(fp32_part) / np.median(int8_part) for fp32_part, int8_part in pairs])
            speedups.append(
                Int8Speedup(
                    batch=cell.batch,
                    threads=cell.threads,
                    clock=cell.clock,
                    median=float(np.median(ratios)),
                    interval=median_interval(ratios),
                    by_round=tuple(float(ratio) for ratio in ratios),
                )
            )
    return tuple(speedups)


def _describe_graph(bundle: ModelBundle, precision: Precision, provider: str) -> ProfiledGraph:
    kind = artifact_for(precision)
    artifact = bundle.manifest.artifacts[kind.value]
    return ProfiledGraph(
        precision=precision,
        kind=kind.value,
        sha256=artifact.sha256,
        size_bytes=artifact.size_bytes,
        provider=provider,
        agreement_with_fp32=_agreement(bundle.manifest.calibration) if precision is Precision.INT8 else None,
    )


def _agreement(calibration: dict[str, Any] | None) -> float | None:
    found = (calibration or {}).get("cpu", {}).get("agreement")
    return float(found) if isinstance(found, int | float) else None


def _ignore(done: int, total: int) -> None:
    pass


def _resident(field: str) -> int | None:
    kibibytes = read_fields(Path("/proc/self/status")).get(field, "").partition(" ")[0]
    return int(kibibytes) * 1024 if kibibytes.isdecimal() else None
