"""The motion of boxes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsrfer.core.errors import UsageError
from fsrfer.runtime.tracking.motion import BoxMotion, MotionConfig, boxes_of, coordinates_of

BOX = np.array([[100, 50, 120, 76]], np.float32)
STEPS = st.floats(0.0, 30.0)


def observed(times, box_at) -> BoxMotion:
    """Follow a box through detections at some times."""
    motion, last = BoxMotion(), None
    for time in times:
        if last is None:
            motion.append(box_at(time))
        else:
            motion.advance(time - last)
            motion.correct(np.array([0]), box_at(time))
        last = time
    return motion


def walking(time: float) -> np.ndarray:
    return BOX + np.array([[40, 10, 40, 10]], np.float32) * np.float32(time)


@settings(deadline=None)
@given(st.floats(0.1, 1e4), st.floats(0.1, 1e4), st.floats(-1e4, 1e4), st.floats(-1e4, 1e4))
def test_coordinates_and_boxes_are_the_same_thing(width, height, x, y):
    box = np.array([[x, y, x + width, y + height]])
    back = boxes_of(coordinates_of(box))
    np.testing.assert_allclose(back, box, rtol=1e-5, atol=1e-2)


@settings(deadline=None)
@given(STEPS, STEPS)
def test_two_steps_give_the_same_as_one(first, second):
    stepwise, at_once = (observed(np.arange(0, 1, 0.1), walking) for _ in range(2))
    stepwise.advance(first)
    stepwise.advance(second)
    at_once.advance(first + second)
    np.testing.assert_allclose(stepwise.boxes(), at_once.boxes(), rtol=1e-5, atol=1e-3)
    np.testing.assert_allclose(stepwise.spread, at_once.spread, rtol=1e-6)
    later = walking(1.2)
    for motion in (stepwise, at_once):  # covariances agree too: both learn the same from the next detection
        motion.correct(np.array([0]), later)
        motion.advance(0.5)
    np.testing.assert_allclose(stepwise.boxes(), at_once.boxes(), rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("fps", [5, 12, 30])
def test_a_steady_walk_is_learnt_at_any_rate(fps):
    motion = observed(np.arange(0, 2.0001, 1 / fps), walking)
    ahead = motion.boxes(0.2)
    np.testing.assert_allclose(ahead, walking(2.2), atol=0.15 * 20)


def test_looking_ahead_is_what_advancing_does_and_changes_nothing():
    motion = observed(np.arange(0, 1, 0.1), walking)
    before, ahead = motion.boxes(), motion.boxes(0.7)
    np.testing.assert_array_equal(motion.boxes(), before)
    motion.advance(0.7)
    np.testing.assert_allclose(motion.boxes(), ahead, atol=1e-4)


@settings(deadline=None)
@given(st.floats(1.0, 1e9))
def test_long_gaps_stay_finite_and_near(gap_s):
    motion = observed(np.arange(0, 1, 0.1), walking)
    start, speed = motion.boxes(), 50.0
    motion.advance(gap_s)
    assert np.isfinite(motion.boxes()).all()
    assert np.isfinite(motion.spread).all()
    assert np.abs(motion.boxes() - start).max() <= speed * MotionConfig().persistence_s
    motion.correct(np.array([0]), BOX + np.float32(300))
    np.testing.assert_allclose(motion.boxes(), BOX + 300, atol=5)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.floats(0.0, 100.0), st.floats(0.0, 1000.0), st.floats(0.5, 500.0)), min_size=1, max_size=20)
)
def test_whatever_is_seen_the_spread_is_a_number_above_zero(sightings):
    motion = BoxMotion()
    motion.append(BOX)
    for elapsed_s, place, size in sightings:
        motion.advance(elapsed_s)
        motion.correct(np.array([0]), np.array([[place, place, place + size, place + size]], np.float32))
        assert np.isfinite(motion.spread).all()
        assert (motion.spread > 0).all()
        assert np.isfinite(motion.boxes(3.0)).all()
        assert (motion.boxes(3.0)[:, 2:] > motion.boxes(3.0)[:, :2]).all()


def test_uncertainty_is_in_proportion_to_the_face():
    motion = BoxMotion()
    motion.append(np.array([[0, 0, 100, 100], [0, 0, 200, 200]], np.float32))
    motion.advance(0.5)
    assert motion.spread[1] / motion.spread[0] == pytest.approx(2.0, rel=0.01)


def test_rows_are_followed_each_on_its_own():
    motion = BoxMotion()
    motion.append(np.concatenate([BOX, BOX + 100, BOX + 200]))
    motion.advance(0.1)
    motion.correct(np.array([2, 0]), np.concatenate([BOX + 210, BOX + 5]))
    motion.keep(np.array([True, False, True]))
    assert len(motion) == 2
    np.testing.assert_allclose(motion.boxes(), np.concatenate([BOX + 5, BOX + 210]), atol=1.5)


def test_no_boxes_are_no_problem():
    motion = BoxMotion()
    motion.advance(1.0)
    motion.correct(np.zeros(0, np.intp), np.zeros((0, 4), np.float32))
    assert motion.boxes().shape == (0, 4)


@pytest.mark.parametrize("field", ["speed", "growth", "persistence_s", "jitter", "jitter_px"])
@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_impossible_motion_is_refused(field, value):
    with pytest.raises(UsageError, match="motion"):
        MotionConfig(**{field: value})
