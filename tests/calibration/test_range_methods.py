"""Ranges against distributions whose best range is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsrfer.calibration import RangeMethod
from fsrfer.calibration.activation_histograms import BINS, ActivationHistogram
from fsrfer.calibration.range_methods import Grid, select_range, select_ranges


def histogram_of(values: np.ndarray) -> ActivationHistogram:
    low, high = float(values.min()), float(values.max())
    return ActivationHistogram(low, high, np.histogram(values, BINS, (low, high))[0].astype(np.int64))


def rms_error(values: np.ndarray, bounds: tuple[float, float], grid: Grid) -> float:
    """Quantise for real, not by the histogram."""
    low, high = bounds
    if grid is Grid.INT8_SYMMETRIC:
        step = max(-low, high) / 127
        quantized = np.clip(np.rint(values / step), -127, 127) * step
    else:
        step = (high - low) / 255
        zero = round(-low / step)
        quantized = np.clip(np.rint(values / step), -zero, 255 - zero) * step
    return float(np.sqrt(np.square(values - quantized).mean()))


@pytest.fixture(scope="module")
def tailed() -> np.ndarray:
    """One side of a Laplace distribution of scale 1, as a ReLU leaves it."""
    return np.random.default_rng(0).exponential(1.0, 1_000_000)


def test_the_plain_range_covers_everything(tailed):
    assert select_range(histogram_of(tailed), RangeMethod.MINMAX, Grid.INT8_SYMMETRIC) == (0.0, tailed.max())


def test_zero_is_always_in_the_range():
    histogram = histogram_of(np.linspace(2.0, 5.0, 1000))
    for method in RangeMethod:
        for grid in Grid:
            low, high = select_range(histogram, method, grid, 99.9)
            assert low == 0.0 < high


def test_percentiles_leave_equal_parts_out():
    histogram = histogram_of(np.random.default_rng(0).uniform(-1, 1, 100_000))
    low, high = select_range(histogram, RangeMethod.PERCENTILE, Grid.UINT8_ASYMMETRIC, 90.0)
    assert low == pytest.approx(-0.9, abs=0.01)
    assert high == pytest.approx(0.9, abs=0.01)


def test_a_laplace_tail_is_cut_where_theory_says(tailed):
    """Banner et al., "Post training 4-bit quantization" (2019): 9.89 scales at eight bits, four of them a side."""
    low, high = select_range(histogram_of(tailed), RangeMethod.MSE, Grid.INT8_SYMMETRIC)
    assert low == 0.0
    assert high == pytest.approx(9.89, rel=0.06)


@pytest.mark.parametrize("grid", Grid)
def test_the_squared_error_is_the_least(tailed, grid):
    high = select_range(histogram_of(tailed), RangeMethod.MSE, grid)[1]
    chosen = rms_error(tailed, (0.0, high), grid)
    assert chosen < rms_error(tailed, (0.0, tailed.max()), grid)
    assert chosen <= min(rms_error(tailed, (0.0, bound), grid) for bound in (4.0, 7.0, 9.0, 10.0, 11.0)) * 1.01


def test_a_finer_grid_covers_more(tailed):
    """Behind a ReLU, uint8 has twice the levels of symmetric int8: it can afford a wider range."""
    coarse = select_range(histogram_of(tailed), RangeMethod.MSE, Grid.INT8_SYMMETRIC)[1]
    fine = select_range(histogram_of(tailed), RangeMethod.MSE, Grid.UINT8_ASYMMETRIC)[1]
    assert fine > coarse


def test_entropy_keeps_a_flat_distribution_whole_and_cuts_a_tail(tailed):
    flat = histogram_of(np.random.default_rng(0).uniform(0, 1, 200_000))
    assert select_range(flat, RangeMethod.ENTROPY, Grid.UINT8_ASYMMETRIC)[1] > 0.9
    assert 3.0 < select_range(histogram_of(tailed), RangeMethod.ENTROPY, Grid.INT8_SYMMETRIC)[1] < tailed.max()


@given(
    values=st.lists(st.floats(-1e4, 1e4, width=32), min_size=2, max_size=50).filter(lambda v: max(v) - min(v) > 1e-3),
    method=st.sampled_from(RangeMethod),
    grid=st.sampled_from(Grid),
)
def test_ranges_lie_within_what_was_seen(values, method, grid):
    histogram = histogram_of(np.array(values))
    low, high = select_range(histogram, method, grid, 99.0)
    assert min(histogram.low, 0.0) <= low <= 0.0 <= high <= max(histogram.high, 0.0)
    assert high > low


def test_all_activations_are_given_ranges(tailed):
    histograms = {"a": histogram_of(tailed), "b": histogram_of(-tailed)}
    ranges = select_ranges(histograms, RangeMethod.MINMAX, Grid.UINT8_ASYMMETRIC)
    assert ranges == {"a": (0.0, tailed.max()), "b": (-tailed.max(), 0.0)}
