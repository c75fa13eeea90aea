"""Ages of live frames."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsrfer.runtime.sources.capture_clock import CaptureClock

STAMPS = st.none() | st.floats(-1e6, 1e6)
WAITS = st.floats(0.0, 100.0)


def captures(stamps, arrivals):
    """When each frame was captured, on the clock of its arrival."""
    clock = CaptureClock()
    return np.array([arrival - clock.age_s(stamp, arrival) for stamp, arrival in zip(stamps, arrivals, strict=True)])


def test_delays_of_the_network_do_not_reach_the_times():
    rng = np.random.default_rng(0)
    stamps = 1000 + np.arange(500) / 25
    arrivals = stamps + 0.04 + rng.exponential(0.03, 500)
    times = captures(stamps, arrivals)
    assert np.abs(np.diff(times)[100:] - 0.04).max() < 0.005 < np.abs(np.diff(arrivals) - 0.04).max()


@pytest.mark.parametrize("drift", [-1e-4, 1e-4])
def test_a_camera_clock_that_drifts_is_followed(drift):
    arrivals = 5000.0 + np.arange(0.0, 36_000.0)
    times = captures(arrivals * (1 - drift), arrivals)
    assert np.abs(times - arrivals).max() < 0.01


@pytest.mark.parametrize("jump_s", [-900.0, 900.0])
def test_a_camera_clock_that_is_set_anew_is_mapped_anew(jump_s):
    stamps = np.arange(100) / 25
    arrivals = stamps + 70.0
    stamps[50:] += jump_s
    np.testing.assert_allclose(captures(stamps, arrivals), arrivals, atol=1e-6)


def test_a_counter_that_wraps_is_mapped_anew():
    # 33 bits of 90 kHz, as in transport streams.
    ticks = (2**33 - 2500 + 3600 * np.arange(100)) % 2**33
    arrivals = 12.0 + np.arange(100) / 25
    np.testing.assert_allclose(captures(ticks / 90_000, arrivals), arrivals, atol=1e-6)


def test_a_delay_that_stays_is_forgotten_after_a_minute():
    stamps = np.arange(0.0, 200.0)
    arrivals = np.where(stamps < 50, stamps, stamps + 3.0)
    ages = arrivals - captures(stamps, arrivals)
    np.testing.assert_allclose(ages[50:75], 3.0)
    np.testing.assert_allclose(ages[120:], 0.0, atol=1e-6)


def test_without_time_stamps_the_arrival_counts():
    assert CaptureClock().age_s(None, 42.0) == 0.0


@given(st.lists(st.tuples(STAMPS, WAITS), max_size=60))
def test_ages_are_bounded_and_captures_do_not_run_backwards(steps):
    clock, arrival_s, last_s = CaptureClock(), 0.0, -math.inf
    for stamp, wait_s in steps:
        arrival_s += wait_s
        age_s = clock.age_s(stamp, arrival_s)
        assert 0.0 <= age_s <= 10.0 + 1e-6
        assert arrival_s - age_s >= last_s - 1e-6
        last_s = arrival_s - age_s


@given(st.lists(st.tuples(st.floats(0, 1e3), WAITS), max_size=40), st.floats(-1e4, 1e4))
def test_what_the_stamps_count_from_does_not_matter(steps, shift_s):
    # In steps of 1/1024 s, which add up exactly.
    exact = np.round(np.array(steps).reshape(-1, 2) * 1024) / 1024
    stamps, arrivals = exact[:, 0], np.cumsum(exact[:, 1])
    shift_s = round(shift_s * 1024) / 1024
    np.testing.assert_array_equal(captures(stamps, arrivals), captures(stamps + shift_s, arrivals))
