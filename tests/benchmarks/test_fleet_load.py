"""Requests of cameras."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


@pytest.mark.parametrize("arrivals", ["from_cameras", "at_random"])
def test_faces_come_at_the_rate_that_was_asked_for(load, arrivals):
    crowd = load.Crowd(people=8, read_share=0.25)
    moments, faces = getattr(load, arrivals)(500.0, crowd, 200.0, np.random.default_rng(0))
    assert np.sum(faces) / 200.0 == pytest.approx(500.0, rel=0.02)
    assert np.all(np.diff(moments) >= 0)
    assert moments[0] >= 0.0
    assert moments[-1] < 200.0
    assert faces.min() >= 1
    assert faces.max() <= 8
    pictures = 500.0 / crowd.mean_faces * 200.0
    assert len(moments) / pictures == pytest.approx(crowd.asking_share, rel=0.02)


def test_cameras_are_steadier_than_chance(load):
    def counts(arrivals, **options):
        moments, _ = arrivals(500.0, load.Crowd(8, 1.0), 100.0, np.random.default_rng(0), **options)
        return np.histogram(moments, bins=np.arange(0.0, 100.0, 0.1))[0]

    chance, cameras = counts(load.at_random), counts(load.from_cameras, fps=10.0, jitter=0.0)
    assert np.var(chance) == pytest.approx(np.mean(chance), rel=0.15)
    assert np.var(cameras) < 0.1 * np.var(chance)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(rate=st.floats(1.0, 1000.0), jitter=st.floats(0.0, 2.0), seed=st.integers(0, 1000))
def test_moments_rise_within_the_time(load, rate, jitter, seed):
    moments, faces = load.from_cameras(rate, load.Crowd(4, 0.5), 3.0, np.random.default_rng(seed), jitter=jitter)
    assert len(moments) == len(faces)
    assert np.all((moments >= 0.0) & (moments < 3.0))
    assert np.all(np.diff(moments) >= 0)


@pytest.mark.parametrize("crowd", [(0, 0.5), (4, 0.0), (4, 1.1)])
def test_impossible_crowds_are_refused(load, crowd):
    with pytest.raises(ValueError, match="impossible crowd"):
        load.Crowd(*crowd)
