"""The search for the highest rate, on servers whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsrfer.core.errors import UsageError
from fsrfer.runtime.profiling.latency_bound import Verdict
from fsrfer.runtime.profiling.server_search import SearchConfig, ServerTrial, find_rate
from fsrfer.runtime.profiling.statistics import summarize


def trial(rate: float, verdict: Verdict) -> ServerTrial:
    return ServerTrial(rate, 459, 0, verdict, summarize(np.ones(3)), 1.0)


def server(limit: float):
    return lambda rate: trial(rate, Verdict.HOLDS if rate <= limit else Verdict.BROKEN)


@settings(deadline=None)
@given(st.floats(0.6, 1e5), st.floats(0.1, 1e5), st.floats(0.01, 0.5))
def test_the_answer_holds_and_lies_within_the_resolution(limit, first, resolution):
    found = find_rate(server(limit), first, SearchConfig(resolution=resolution, most_trials=1000))
    assert found.per_second is not None
    assert found.per_second <= limit < found.broken_per_second
    assert found.broken_per_second <= found.per_second * (1 + resolution) * (1 + 1e-9)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(10, 1000))
def test_a_server_of_moods_is_never_praised_for_a_rate_that_it_did_not_hold_thrice(seed, limit):
    rng = np.random.default_rng(seed)

    def moody(rate):
        is_held = rate <= limit * rng.uniform(0.7, 1.1)
        return trial(rate, Verdict.HOLDS if is_held else (Verdict.BROKEN, Verdict.OPEN)[rng.integers(2)])

    found = find_rate(moody, 100.0)
    if found.per_second is not None:
        of_the_answer = [one.verdict for one in found.trials if one.per_second == found.per_second]
        assert of_the_answer.count(Verdict.HOLDS) >= 3
        assert set(of_the_answer[-2:]) == {Verdict.HOLDS}
        assert Verdict.BROKEN not in of_the_answer
    assert len(found.trials) <= SearchConfig.most_trials


def test_a_server_that_holds_nothing_has_no_rate_and_is_not_asked_for_ever():
    found = find_rate(lambda rate: trial(rate, Verdict.BROKEN), 1000.0)
    assert found.per_second is None
    assert len(found.trials) < 40
    assert found.trials[-1].per_second >= SearchConfig.lowest_per_second


def test_a_server_that_holds_everything_is_not_asked_for_ever():
    found = find_rate(server(float("inf")), 1.0, SearchConfig(most_trials=12))
    assert (len(found.trials), found.per_second, found.broken_per_second) == (12, None, None)


@pytest.mark.parametrize("options", [{"resolution": 0}, {"confirmations": -1}, {"lowest_per_second": 0}])
def test_impossible_searches_are_refused(options):
    with pytest.raises(UsageError):
        SearchConfig(**options)
