"""Fewer frames."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsrfer.runtime.sources.rate_cap import RateCap


def admitted(times, max_fps):
    cap = RateCap(max_fps)
    return [time_s for time_s in times if cap.admits(time_s)]


@pytest.mark.parametrize(("fps", "max_fps"), [(25, 10), (30, 29), (25, 1), (60, 0.5), (30, 25)])
def test_the_mean_rate_is_the_cap(fps, max_fps):
    times = np.arange(0, 100, 1 / fps)
    assert len(admitted(times, max_fps)) == pytest.approx(100 * max_fps, abs=1)


@pytest.mark.parametrize("max_fps", [None, 25, 30])
def test_a_cap_that_is_no_lower_than_the_rate_leaves_nothing_out(max_fps):
    times = np.arange(500) / 25 + np.random.default_rng(0).uniform(-0.009, 0.009, 500)
    assert len(admitted(times, max_fps)) == 500


@pytest.mark.parametrize("jump_s", [-1e6, -10.0, 10.0, 1e6])
def test_a_clock_that_jumps_starves_nobody(jump_s):
    times = np.concatenate([np.arange(100) / 25, jump_s + np.arange(100, 200) / 25])
    assert len(admitted(times, 5)) == pytest.approx(40, abs=2)


@given(st.lists(st.floats(0, 0.5), min_size=1, max_size=200), st.floats(0.2, 50))
def test_no_stretch_of_time_has_more_frames_than_the_cap(steps, max_fps):
    taken = np.array(admitted(np.cumsum(steps), max_fps))
    assert taken[0] == steps[0]  # the first frame always passes
    for count in range(1, len(taken)):
        spans = taken[count:] - taken[:-count]
        assert spans.min() >= max(count - 1, count / 2) / max_fps - 1e-9
