"""A classifier under the four loads of MLPerf Inference (Reddi et al., arXiv 1911.02549): crops in, predictions out.

They are shorter than MLPerf's own, and no result of MLPerf. What is timed is always the same: from crops of 8 to 48 px
to predictions, with resizing, graph, temperature and softmax; face detection and decoding are not in it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

import numpy as np

from ...core.errors import UsageError
from ..batching import FaceBatcher
from ..classifier import ExpressionClassifier
from ..pipeline import PipelineOptions
from .latency_bound import CONFIDENCE, Verdict, fewest_queries, judge
from .load import OpenLoop, TimeSource, poisson_arrivals
from .machine_watch import MachineReport, MachineWatch
from .server_search import RateSearch, SearchConfig, ServerTrial, find_rate
from .statistics import LatencySummary, Stability, stability_of, summarize
from .timing import timed_runs, warm_up
from .workload import crop_batches

OnTrial = Callable[[str], None]
"""Called with a line about each step."""

SERVER_SHARE = 0.99
_WINDOWS = 3
_DISTINCT = 64
_LOOKS = 3  # at a trial that is not decided yet, each time with twice the queries
_GIVE_UP = 10.0  # bounds of latency by which a server may fall behind


class Scenario(str, Enum):
    """A kind of load."""

    SINGLE_STREAM = "single-stream"
    MULTI_STREAM = "multi-stream"
    SERVER = "server"
    OFFLINE = "offline"

    @property
    def description(self) -> str:
        """What is asked, and what the figure is."""
        return _DESCRIPTIONS[self]


_DESCRIPTIONS = {
    Scenario.SINGLE_STREAM: "one face at a time, the next after the answer; its figure is the 90th percentile",
    Scenario.MULTI_STREAM: "several faces at a time, the next after the answer; its figure is the 99th percentile",
    Scenario.SERVER: "queries arrive by chance (Poisson), through the pipeline's batches; its figure is the highest "
    "rate at which 99 % are answered within the bound, counted from their arrival",
    Scenario.OFFLINE: "all faces are there at once, in full batches; its figure is the throughput",
}


@dataclass(frozen=True)
class ScenarioConfig:
    """How a scenario is run.

    Attributes:
        scenario: Which one.
        seconds: Time of the measurement; of each trial in the server scenario, where it takes enough queries to tell.
        warmup_seconds: Untimed time before.
        faces: Faces in one query; None for 8 in the multi-stream scenario, and 1 in the others.
        bound_s: Of the server: latency within which 99 % are to be answered.
        senders: Of the server: cameras that the queries come from, in turn. A query waits for those of the others.
        max_wait_s: Of the server: how long it waits at most.
        search: Of the server: how its rate is searched.
        seed: Key of crops and arrivals.
    """

    scenario: Scenario
    seconds: float = 5.0
    warmup_seconds: float = 1.0
    faces: int | None = None
    bound_s: float = 0.05
    senders: int = 8
    max_wait_s: float = 0.02
    search: SearchConfig = field(default_factory=SearchConfig)
    seed: int = 0

    def __post_init__(self) -> None:
        are_times = 0 < self.seconds <= 86400 and 0 <= self.warmup_seconds <= 86400 and 0 < self.bound_s < np.inf
        are_counts = self.senders >= 1 and (self.faces is None or self.faces >= 1)
        if not (are_times and are_counts and 0 <= self.max_wait_s < np.inf):
            raise UsageError(
                "impossible scenario",
                expected="seconds and a bound above 0, one face and one sender or more, a wait of 0 or more",
                found=f"{self.seconds}, {self.warmup_seconds}, {self.bound_s}, {self.faces}, {self.senders}, "
                f"{self.max_wait_s}",
            )

    @property
    def query_faces(self) -> int:
        """Faces in one query."""
        return self.faces or (8 if self.scenario is Scenario.MULTI_STREAM else 1)


@dataclass(frozen=True)
class ScenarioResult:
    """What a scenario showed.

    Attributes:
        scenario: Which one.
        faces: Faces in one query.
        faces_per_second: Throughput; in the server scenario at the rate that was found, 0 where none was.
        latency: Of single queries; of the last trial at that rate in the server scenario, None where there is none.
        stability: Whether the medians of three parts of the time agree; None in the server scenario, which repeats
            its last trial instead.
        queries: Queries that were measured.
        fewest_queries: Fewest that tell the scenario's percentile with 99 % confidence; None for the throughput.
        server: The search; None in other scenarios.
        machine: Energy and clocks meanwhile: of the whole measurement, or of the trial that ``latency`` is of.
        machine_faces: Faces that were read meanwhile.
    """

    scenario: Scenario
    faces: int
    faces_per_second: float
    latency: LatencySummary | None
    stability: Stability | None
    queries: int
    fewest_queries: int | None
    server: RateSearch | None
    machine: MachineReport | None
    machine_faces: int


def run_scenario(
    classifier: ExpressionClassifier, config: ScenarioConfig, on_trial: OnTrial | None = None
) -> ScenarioResult:
    """Put a classifier under a load.

    Args:
        classifier: Entered by the caller.
        config: Which load.
        on_trial: Told about each step.
    """
    if config.scenario is Scenario.SERVER:
        return _run_server(classifier, config, on_trial or _ignore)
    return _run_closed(classifier, config)


def _run_closed(classifier: ExpressionClassifier, config: ScenarioConfig) -> ScenarioResult:
    is_offline = config.scenario is Scenario.OFFLINE
    faces = max(config.query_faces, classifier.max_batch) if is_offline else config.query_faces
    queries = itertools.cycle(crop_batches(faces, count=_distinct(faces), seed=config.seed))
    share = {Scenario.SINGLE_STREAM: 0.90, Scenario.MULTI_STREAM: 0.99}.get(config.scenario)

    def answer() -> object:
        return classifier.classify(next(queries))

    warm_up(answer, seconds=config.warmup_seconds)
    with MachineWatch() as watch:
        parts = [timed_runs(answer, seconds=config.seconds / _WINDOWS, min_runs=1) for _ in range(_WINDOWS)]
    latencies_ms = np.concatenate(parts)
    return ScenarioResult(
        scenario=config.scenario,
        faces=faces,
        faces_per_second=faces / float(latencies_ms.mean()) * 1e3,
        latency=summarize(latencies_ms),
        stability=stability_of([float(np.median(part)) for part in parts]),
        queries=len(latencies_ms),
        fewest_queries=None if share is None else fewest_queries(share),
        server=None,
        machine=watch.report,
        machine_faces=faces * len(latencies_ms),
    )


def _run_server(classifier: ExpressionClassifier, config: ScenarioConfig, on_trial: OnTrial) -> ScenarioResult:
    offline = _run_closed(classifier, _offline(config))
    on_trial(f"offline: {offline.faces_per_second:.0f} faces/s")
    rng = np.random.default_rng(config.seed)
    machines: list[MachineReport] = []

    def run(per_second: float) -> ServerTrial:
        with MachineWatch() as watch:
            trial = try_rate(classifier, per_second, config, rng)
        machines.append(watch.report)
        on_trial(describe_trial(trial))
        return trial

    search = find_rate(run, offline.faces_per_second / config.query_faces / 2, config.search)
    pairs = reversed(list(zip(search.trials, machines, strict=True)))
    last, machine = next((pair for pair in pairs if pair[0].per_second == search.per_second), (None, None))
    return ScenarioResult(
        scenario=config.scenario,
        faces=config.query_faces,
        faces_per_second=(search.per_second or 0.0) * config.query_faces,
        latency=None if last is None else last.latency,
        stability=None,
        queries=sum(trial.queries for trial in search.trials),
        fewest_queries=fewest_queries(SERVER_SHARE),
        server=search,
        machine=machine,
        machine_faces=0 if last is None else last.queries * config.query_faces,
    )


def try_rate(
    classifier: ExpressionClassifier,
    per_second: float,
    config: ScenarioConfig,
    rng: np.random.Generator,
    clock: TimeSource | None = None,
) -> ServerTrial:
    """Serve queries at one rate until it is clear whether the bound holds.

    A trial begins with the fewest queries that can tell, or with those of ``seconds`` where these are more. Where they
    do not tell, it looks again at twice and at four times as many.

    Args:
        classifier: Entered by the caller.
        per_second: Rate of the queries.
        config: Bound, faces of a query, senders.
        rng: Source of the arrivals.
        clock: Time; None for the monotonic clock.
    """
    count = max(fewest_queries(SERVER_SHARE), round(per_second * config.seconds))
    distinct = crop_batches(config.query_faces, count=_distinct(config.query_faces), seed=config.seed)
    latencies_s = np.empty(0)
    batches: list[int] = []
    for _ in range(_LOOKS):
        arrivals_s = poisson_arrivals(per_second, count, rng)
        queries = [distinct[index % len(distinct)] for index in range(count)]
        batcher = FaceBatcher(classifier, max_wait_s=config.max_wait_s, max_frames=PipelineOptions.max_pending_frames)
        loop = OpenLoop(batcher, senders=config.senders, clock=clock)
        served = loop.serve(arrivals_s, queries, _GIVE_UP * config.bound_s)
        latencies_s = np.concatenate([latencies_s, served.latencies_s])
        batches += served.batch_faces
        late = int(np.count_nonzero(latencies_s > config.bound_s))
        verdict = Verdict.BROKEN if served.is_given_up else judge(len(latencies_s), late, SERVER_SHARE, CONFIDENCE)
        if verdict is not Verdict.OPEN:
            break
        count = len(latencies_s)
    return ServerTrial(
        per_second=per_second,
        queries=len(latencies_s),
        late=late,
        verdict=verdict,
        latency=summarize(1e3 * latencies_s),
        mean_batch=float(np.mean(batches)) if batches else 0.0,
    )


def describe_trial(trial: ServerTrial) -> str:
    """Say on one line what a trial showed."""
    return (
        f"{trial.per_second:8.1f} queries/s: {trial.late} of {trial.queries} late, "
        f"p99 {trial.latency.p99_ms:.1f} ms, {trial.mean_batch:.1f} faces a run: {trial.verdict.value}"
    )


def _offline(config: ScenarioConfig) -> ScenarioConfig:
    return ScenarioConfig(
        Scenario.OFFLINE, seconds=min(config.seconds, 1.0), warmup_seconds=config.warmup_seconds, seed=config.seed
    )


def _distinct(faces: int) -> int:
    return max(_DISTINCT // faces, 4)


def _ignore(line: str) -> None:
    pass
