"""The four loads on a real classifier, and the server's on one whose times are known."""

from __future__ import annotations

import numpy as np
import pytest

from fsrfer.core.errors import UsageError
from fsrfer.core.predictions import ExpressionPredictions
from fsrfer.runtime.opening import open_bundle
from fsrfer.runtime.profiling.latency_bound import Verdict
from fsrfer.runtime.profiling.scenarios import Scenario, ScenarioConfig, run_scenario, try_rate
from fsrfer.runtime.profiling.server_search import SearchConfig, find_rate
from fsrfer.runtime.readings import Readings


@pytest.fixture(scope="module")
def classifier(make_bundle, tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenarios") / "bundle"
    make_bundle(folder)
    with open_bundle(folder, threads=1, max_batch=16) as opened:
        yield opened


class Simulated:
    """A clock, and a model that takes 10 ms a run whatever it is given."""

    max_batch = 64

    def __init__(self):
        self.seconds = 0.0

    def now(self):
        return self.seconds

    def sleep(self, seconds):
        self.seconds += seconds

    def classify(self, crops):
        self.seconds += 0.010
        count = len(crops)
        return ExpressionPredictions(
            ("a",), np.ones((count, 1), np.float32), np.zeros(count, np.int64), np.ones(count, np.float32),
            np.zeros(count, np.bool_),
        )  # fmt: skip

    def read(self, crops):
        return Readings(self.classify(crops), (None,) * len(crops))


@pytest.mark.parametrize(
    ("scenario", "faces", "fewest"),
    [(Scenario.SINGLE_STREAM, 1, 44), (Scenario.MULTI_STREAM, 8, 459), (Scenario.OFFLINE, 16, None)],
)
def test_closed_loops_time_whole_queries(classifier, scenario, faces, fewest):
    result = run_scenario(classifier, ScenarioConfig(scenario, seconds=0.06, warmup_seconds=0))
    assert (result.faces, result.fewest_queries) == (faces, fewest)
    assert result.queries == result.latency.runs >= 3
    assert result.faces_per_second == pytest.approx(faces / result.latency.mean_ms * 1e3)
    assert result.server is None


def test_the_server_scenario_finds_a_rate_that_holds(classifier):
    lines = []
    config = ScenarioConfig(
        Scenario.SERVER, seconds=0.05, warmup_seconds=0, bound_s=0.5, search=SearchConfig(0.5, 1, 0.5, 12)
    )
    result = run_scenario(classifier, config, lines.append)
    assert result.fewest_queries == 459
    assert len(lines) == 1 + len(result.server.trials)
    assert min(trial.queries for trial in result.server.trials if trial.verdict is Verdict.HOLDS) >= 459
    found = result.server.per_second  # a tiny model may answer 459 queries in time at every rate that is tried
    assert result.faces_per_second == (found or 0.0)
    assert (result.latency is None) is (found is None)
    assert found is None or result.latency.p99_ms <= 500.0


def test_the_rate_that_is_found_is_that_of_the_server():
    """10 ms a query and one sender: 50 queries a second hold 60 ms and 99 do not, as the next test shows."""
    config = ScenarioConfig(Scenario.SERVER, seconds=20, bound_s=0.06, senders=1)
    rng = np.random.default_rng(0)

    def run(per_second):
        server = Simulated()
        return try_rate(server, per_second, config, rng, clock=server)

    search = find_rate(run, 20.0)
    assert search.per_second is not None
    assert 50.0 <= search.per_second < search.broken_per_second < 99.0
    confirmed = [trial.verdict for trial in search.trials if trial.per_second == search.per_second]
    assert confirmed == [Verdict.HOLDS] * 3


def test_a_rate_is_judged_by_queueing_and_not_by_service_alone():
    # One sender, 10 ms a query: at 50 queries a second half the time is idle, at 99 the queue grows long (M/D/1).
    config = ScenarioConfig(Scenario.SERVER, seconds=20, bound_s=0.06, senders=1)
    slow, fast = (
        try_rate(one, rate, config, np.random.default_rng(3), clock=one)
        for one, rate in ((Simulated(), 50.0), (Simulated(), 99.0))
    )
    assert slow.verdict is Verdict.HOLDS
    assert fast.verdict is Verdict.BROKEN
    # Pollaczek-Khinchine: the mean time in an M/D/1 queue is s + rho s / 2 (1 - rho).
    assert slow.latency.mean_ms == pytest.approx(10 + 0.5 * 10 / (2 * 0.5), rel=0.1)


def test_batches_carry_rates_that_single_queries_cannot():
    config = ScenarioConfig(Scenario.SERVER, seconds=5, bound_s=0.06, senders=8)
    shared, alone = (
        try_rate(one, 400.0, one_config, np.random.default_rng(0), clock=one)
        for one, one_config in (
            (Simulated(), config),
            (Simulated(), ScenarioConfig(Scenario.SERVER, seconds=5, bound_s=0.06, senders=1)),
        )
    )
    assert shared.verdict is Verdict.HOLDS
    assert shared.mean_batch > 4
    assert alone.verdict is Verdict.BROKEN


@pytest.mark.parametrize(
    "options", [{"seconds": 0}, {"bound_s": 0}, {"faces": -1}, {"senders": 0}, {"max_wait_s": -1}, {"bound_s": np.nan}]
)
def test_impossible_scenarios_are_refused(options):
    with pytest.raises(UsageError):
        ScenarioConfig(Scenario.SERVER, **options)
