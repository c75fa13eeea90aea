"""Bursts, spread out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsrfer.runtime.sources.pacing import Pacer

TIMES = st.floats(-1e6, 1e6)


def shown(stamps, arrivals):
    """When each frame is shown by a reader that is busy waiting for the one before."""
    pacer, now_s, times = Pacer(), 0.0, []
    for stamp, arrival in zip(stamps, arrivals, strict=True):
        now_s = max(now_s, arrival)
        now_s += pacer.wait_s(stamp, now_s)
        times.append(now_s)
    return np.array(times)


def test_segments_become_an_even_stream():
    stamps = 900 + np.arange(300) / 25
    arrivals = 50 + 2 * np.floor(np.arange(300) / 50)  # segments of two seconds, each at once
    times = shown(stamps, arrivals)
    np.testing.assert_allclose(np.diff(times), 0.04, atol=1e-6)


def test_a_late_segment_delays_what_follows_and_no_more():
    stamps = np.arange(150) / 25
    arrivals = np.where(np.arange(150) < 50, 0.0, 5.0)
    times = shown(stamps, arrivals)
    assert times[50] == 5.0
    np.testing.assert_allclose(np.diff(times[50:]), 0.04, atol=1e-6)


@pytest.mark.parametrize("jump_s", [-500.0, 7.0, 1e6])
def test_a_jump_of_the_stamps_is_not_waited_for(jump_s):
    stamps = [0.0, 0.04, 0.04 + jump_s, 0.08 + jump_s]
    np.testing.assert_allclose(shown(stamps, [0.0] * 4), [0.0, 0.04, 0.04, 0.08], atol=1e-6)


@given(st.lists(st.tuples(st.none() | TIMES, TIMES), max_size=50))
def test_no_wait_is_longer_than_a_second(steps):
    pacer = Pacer()
    assert all(0.0 <= pacer.wait_s(stamp, now_s) <= 1.0 for stamp, now_s in steps)
