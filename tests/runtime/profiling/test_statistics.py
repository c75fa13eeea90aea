"""Summaries of latencies, against numpy and against what their definitions promise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fsrfer.core.errors import InputSpecError
from fsrfer.runtime.profiling.statistics import (
    Stability,
    count_outliers,
    median_interval,
    ratio_estimate,
    ratio_interval,
    stability_of,
    summarize,
)

LATENCIES = hnp.arrays(np.float64, st.integers(1, 300), elements=st.floats(1e-6, 1e6))


@given(LATENCIES)
def test_a_summary_agrees_with_numpy(values):
    summary = summarize(values)
    assert summary.runs == len(values)
    assert summary.p50_ms == np.median(values)
    assert [summary.p90_ms, summary.p95_ms, summary.p99_ms] == np.quantile(values, [0.9, 0.95, 0.99]).tolist()
    assert (summary.min_ms, summary.max_ms) == (values.min(), values.max())
    assert summary.mean_ms == pytest.approx(values.mean())


@given(LATENCIES, st.randoms(use_true_random=False))
def test_the_order_of_runs_does_not_matter(values, random):
    shuffled = values.tolist()
    random.shuffle(shuffled)
    assert median_interval(np.array(shuffled)) == median_interval(values)


@given(LATENCIES)
def test_the_interval_encloses_the_median(values):
    interval = median_interval(values)
    assert (interval is None) == (len(values) < 6)
    if interval is not None:
        assert interval[0] <= np.median(values) <= interval[1]


@pytest.mark.parametrize(("count", "depth"), [(6, 1), (8, 1), (9, 2), (20, 6), (50, 18), (100, 40)])
def test_the_depth_is_that_of_the_sign_test(count, depth):
    # Published critical values of the two-sided sign test at 5 %, plus one.
    assert median_interval(np.arange(1.0, count + 1)) == (depth, count + 1 - depth)


@given(st.integers(6, 400))
def test_the_interval_holds_95_percent_and_the_next_one_would_not(count):
    low, _ = median_interval(np.arange(1.0, count + 1))
    below = sum(math.comb(count, k) for k in range(int(low))) / 2**count
    assert below <= 0.025 < below + math.comb(count, int(low)) / 2**count


def test_the_approximation_for_many_runs_continues_the_exact_one():
    exact, _ = median_interval(np.arange(1.0, 1001))
    approximate, _ = median_interval(np.arange(1.0, 1002))
    assert abs(approximate - exact) <= 2


def test_the_interval_covers_the_true_median_as_often_as_it_says():
    rng = np.random.default_rng(0)
    intervals = [median_interval(rng.lognormal(0.0, 1.0, 40)) for _ in range(2000)]
    assert 0.93 <= np.mean([low <= 1.0 <= high for low, high in intervals]) <= 0.985


@pytest.mark.parametrize("values", [np.empty(0), np.ones((2, 2))])
def test_what_is_no_series_is_refused(values):
    with pytest.raises(InputSpecError, match="not empty"):
        summarize(values)


@pytest.mark.parametrize(
    ("medians", "expected"),
    [
        ((1.0, 1.0), Stability.TOO_SHORT),
        ((1.0, 1.05, 1.0), Stability.STABLE),
        ((2.0, 2.2, 2.1), Stability.STABLE),
        ((1.0, 1.0, 1.0, 1.11), Stability.DRIFTING),
        ((1.0, 1.2, 1.4), Stability.DRIFTING),
    ],
)
def test_windows_within_10_percent_are_stable(medians, expected):
    assert stability_of(medians) is expected


def test_what_lies_far_out_is_counted_and_kept():
    values = np.array([*range(10, 20), 28.0, 33.0])  # quartiles 12.75 and 18.25: far out is above 34.75
    assert count_outliers(values) == 0
    values[-1] = 40.0
    assert count_outliers(values) == summarize(values).outliers == 1
    assert summarize(values).max_ms == 40.0


@given(LATENCIES)
def test_outliers_are_fewer_than_a_quarter(values):
    assert count_outliers(values) <= len(values) / 4


@pytest.mark.parametrize(
    ("first", "second", "depth"), [(4, 4, 1), (5, 5, 3), (6, 6, 6), (5, 7, 6), (10, 10, 24), (20, 20, 128)]
)
def test_the_depth_of_a_ratio_is_that_of_the_rank_test(first, second, depth):
    # Published critical values of Mann and Whitney's two-sided test at 5 %, plus one.
    before, after = np.exp(np.arange(first, dtype=float)), np.exp(np.arange(second) / 100)
    ratios = np.sort((after[None, :] / before[:, None]).ravel())
    assert ratio_interval(before, after) == (ratios[depth - 1], ratios[-depth])


@pytest.mark.parametrize(("first", "second"), [(3, 3), (1, 30), (0, 5)])
def test_too_few_values_have_no_interval_of_their_ratio(first, second):
    assert ratio_interval(np.ones(first), np.ones(second)) is None


@given(
    hnp.arrays(np.float64, st.integers(4, 30), elements=st.floats(0.01, 100.0)),
    hnp.arrays(np.float64, st.integers(4, 30), elements=st.floats(0.01, 100.0)),
    st.floats(0.1, 10.0),
)
def test_a_ratio_follows_its_samples(before, after, factor):
    low, high = ratio_interval(before, after)
    assert low <= ratio_estimate(before, after) <= high
    assert ratio_interval(before, factor * after) == pytest.approx((factor * low, factor * high))
    assert ratio_interval(after, before) == pytest.approx((1 / high, 1 / low))


def test_the_approximation_for_many_values_continues_the_exact_one():
    def low_rank(count: int) -> float:
        before, after = np.ones(count), np.exp(np.linspace(0.0, 1.0, count))
        low, _ = ratio_interval(before, after)
        return float(np.log(low))

    assert low_rank(21) == pytest.approx(low_rank(20), abs=0.06)


def test_the_interval_of_a_ratio_covers_it_as_often_as_it_says():
    rng = np.random.default_rng(1)
    intervals = [ratio_interval(rng.lognormal(0.0, 0.3, 8), 2.0 * rng.lognormal(0.0, 0.3, 7)) for _ in range(2000)]
    assert 0.945 <= np.mean([low <= 2.0 <= high for low, high in intervals]) <= 0.985
