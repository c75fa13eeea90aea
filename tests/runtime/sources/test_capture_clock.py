"""Unix times of live frames."""

from __future__ import annotations

import numpy as np

from fsrfer.runtime.sources.capture_clock import CaptureClock


def test_delays_of_the_network_do_not_reach_the_times():
    clock, rng = CaptureClock(), np.random.default_rng(0)
    stamps = 1000 + np.arange(500) / 25
    arrivals = 1.7e9 + stamps + 0.04 + rng.exponential(0.03, 500)
    times = np.array([clock.time_of(stamp, arrival) for stamp, arrival in zip(stamps, arrivals, strict=True)])
    assert np.all(times <= arrivals + 1e-6)
    assert np.abs(np.diff(times)[100:] - 0.04).max() < 0.005 < np.abs(np.diff(arrivals) - 0.04).max()


def test_a_slow_camera_clock_is_followed():
    clock = CaptureClock()
    for second in range(0, 36_000, 10):
        time_s = clock.time_of(second * (1 - 1e-4), 5000.0 + second)
    assert abs(time_s - (5000.0 + second)) < 0.01


def test_a_stream_that_counts_anew_is_mapped_anew():
    clock = CaptureClock()
    assert clock.time_of(500.0, 10.0) == 10.0
    assert clock.time_of(0.0, 12.0) == 12.0
    assert clock.time_of(1.0, 60.0) == 60.0


def test_without_time_stamps_the_arrival_counts():
    assert CaptureClock().time_of(None, 42.0) == 42.0
