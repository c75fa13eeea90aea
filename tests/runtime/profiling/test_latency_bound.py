"""The test of a bound on a percentile, against sums that are certain."""

from __future__ import annotations

from fractions import Fraction
from math import comb

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsrfer.core.errors import UsageError
from fsrfer.runtime.profiling.latency_bound import Verdict, at_most, fewest_queries, judge


@pytest.mark.parametrize(("share", "queries"), [(0.99, 459), (0.90, 44), (0.95, 90)])
def test_the_fewest_queries_are_those_of_loadgen(share, queries):
    assert fewest_queries(share) == queries  # LoadGen asks 459 of its 99th percentile where none is late
    assert judge(queries, 0, share) is Verdict.HOLDS
    assert judge(queries - 1, 0, share) is Verdict.OPEN


@settings(deadline=None)
@given(st.integers(1, 60), st.integers(1, 99), st.data())
def test_the_distribution_is_the_binomial_one(trials, percent, data):
    count = data.draw(st.integers(0, trials))
    chance = Fraction(percent, 100)
    terms = (comb(trials, k) * chance**k * (1 - chance) ** (trials - k) for k in range(count + 1))
    assert at_most(count, trials, percent / 100) == pytest.approx(float(sum(terms)), abs=1e-9)


@settings(deadline=None)
@given(st.integers(1, 5000), st.data())
def test_more_late_queries_never_make_a_better_verdict(queries, data):
    late = data.draw(st.integers(0, min(queries - 1, 200)))
    order = [Verdict.HOLDS, Verdict.OPEN, Verdict.BROKEN]
    assert order.index(judge(queries, late + 1, 0.99)) >= order.index(judge(queries, late, 0.99))


def test_a_share_just_at_the_bound_is_never_decided_by_few():
    assert judge(1000, 10, 0.99) is Verdict.OPEN
    assert judge(1000, 100, 0.99) is Verdict.BROKEN
    assert judge(100_000, 800, 0.99) is Verdict.HOLDS


@pytest.mark.parametrize("share", [0.0, 1.0, float("nan")])
def test_impossible_percentiles_are_refused(share):
    with pytest.raises(UsageError):
        fewest_queries(share)
