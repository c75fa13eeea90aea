"""Expressions over time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsrfer.core.errors import InputSpecError, UsageError
from fsrfer.core.predictions import ExpressionPredictions
from fsrfer.runtime.tracking import ExpressionSmoother, SmoothingConfig
from fsrfer.runtime.tracking.smoothing import reading_weights

LABELS = ("neutral", "happiness", "surprise")
ONE = np.array([1], np.int64)


def reading(*rows, sizes=None) -> ExpressionPredictions:
    probabilities = np.array(rows, np.float32).reshape(-1, len(LABELS))
    return ExpressionPredictions(
        LABELS,
        probabilities,
        probabilities.argmax(axis=1).astype(np.int64),
        np.array([24.0] * len(probabilities) if sizes is None else sizes, np.float32),
        np.zeros(len(probabilities), np.bool_),
    )


def shown(smoother, time_s: float, ids=ONE) -> ExpressionPredictions:
    return smoother.predictions_of(ids, np.full(len(ids), 20.0, np.float32), time_s)


def certain(label: int, confidence: float = 0.9) -> ExpressionPredictions:
    rest = (1.0 - confidence) / (len(LABELS) - 1)
    return reading([confidence if index == label else rest for index in range(len(LABELS))])


def test_one_reading_is_shown_as_it_is():
    smoother = ExpressionSmoother(LABELS)
    smoother.add(ONE, reading([0.2, 0.7, 0.1]), 0.0)
    result = shown(smoother, 0.0)
    np.testing.assert_allclose(result.probabilities, [[0.2, 0.7, 0.1]], atol=1e-5)
    assert result.label_of(0) == "happiness"
    assert result.face_size_px.tolist() == [20.0]


def test_repeating_a_reading_makes_it_no_more_certain():
    smoother = ExpressionSmoother(LABELS)
    for step in range(50):
        smoother.add(ONE, reading([0.2, 0.7, 0.1]), step / 10)
    np.testing.assert_allclose(shown(smoother, 5.0).probabilities, [[0.2, 0.7, 0.1]], atol=1e-5)


def test_probabilities_are_the_weighted_geometric_mean():
    config = SmoothingConfig(time_constant_s=2.0)
    smoother = ExpressionSmoother(LABELS, config)
    rows, times = np.array([[0.2, 0.7, 0.1], [0.5, 0.25, 0.25], [0.1, 0.1, 0.8]], np.float32), [0.0, 0.5, 1.5]
    for row, time_s in zip(rows, times, strict=True):
        smoother.add(ONE, reading(row), time_s)
    weights = reading_weights(reading(*rows)) * np.exp((np.array(times) - times[-1]) / 2.0)
    mean = np.exp((weights[:, None] * np.log(rows)).sum(axis=0) / weights.sum())
    np.testing.assert_allclose(shown(smoother, 1.5).probabilities[0], mean / mean.sum(), rtol=1e-4)


def test_a_single_slip_is_not_shown_and_a_change_is():
    smoother = ExpressionSmoother(LABELS, SmoothingConfig(time_constant_s=0.5))
    for step in range(20):
        smoother.add(ONE, certain(1), step / 10)
    smoother.add(ONE, certain(2), 2.0)
    assert shown(smoother, 2.0).label_of(0) == "happiness"
    delays = []
    for step in range(1, 20):
        smoother.add(ONE, certain(2), 2.0 + step / 10)
        if shown(smoother, 2.0 + step / 10).label_of(0) == "surprise":
            delays.append(step / 10)
    assert 0.2 <= min(delays) <= 0.6  # about time_constant_s * ln 2, and what the margin adds
    assert len(delays) == 20 - round(min(delays) * 10)  # and it stays


def test_large_and_certain_faces_count_more():
    large, small, unsure = reading_weights(
        reading([0.8, 0.1, 0.1], [0.8, 0.1, 0.1], [0.4, 0.3, 0.3], sizes=[40.0, 10.0, 40.0])
    )
    assert large > 5 * small
    assert large > 5 * unsure
    smoother = ExpressionSmoother(LABELS)
    smoother.add(ONE, reading([0.2, 0.7, 0.1], sizes=[40.0]), 0.0)
    smoother.add(ONE, reading([0.7, 0.2, 0.1], sizes=[8.0]), 0.1)
    assert shown(smoother, 0.1).label_of(0) == "happiness"


def test_the_label_changes_only_by_a_margin():
    smoother = ExpressionSmoother(LABELS, SmoothingConfig(time_constant_s=0.0, margin=0.2))
    smoother.add(ONE, reading([0.5, 0.4, 0.1]), 0.0)
    smoother.add(ONE, reading([0.42, 0.48, 0.1]), 0.1)
    result = shown(smoother, 0.1)
    assert result.label_of(0) == "neutral"
    assert result.confidence[0] == pytest.approx(0.42, abs=1e-4)  # of what is shown, not of what is ahead
    smoother.add(ONE, reading([0.3, 0.6, 0.1]), 0.2)
    assert shown(smoother, 0.2).label_of(0) == "happiness"


def test_without_a_time_constant_the_latest_reading_is_shown():
    smoother = ExpressionSmoother(LABELS, SmoothingConfig(time_constant_s=0.0, margin=0.0))
    for step, label in enumerate([0, 1, 2, 1]):
        smoother.add(ONE, certain(label), float(step))
        np.testing.assert_allclose(shown(smoother, float(step)).probabilities, certain(label).probabilities, atol=1e-5)


def test_faces_that_were_not_read_are_unknown():
    smoother = ExpressionSmoother(LABELS)
    smoother.add(np.array([2, 5], np.int64), reading([0.8, 0.1, 0.1], [0.1, 0.8, 0.1]), 0.0)
    result = shown(smoother, 0.0, np.array([7, 5, 1, 2], np.int64))
    assert result.abstained.tolist() == [True, False, True, False]
    assert [result.label_of(face) for face in range(4)] == ["unknown", "happiness", "unknown", "neutral"]
    assert np.isnan(result.probabilities[[0, 2]]).all()


def test_it_abstains_by_the_smoothed_confidence():
    smoother = ExpressionSmoother(LABELS, abstain_below=0.6)
    smoother.add(ONE, reading([0.9, 0.05, 0.05]), 0.0)
    assert not shown(smoother, 0.0).abstained[0]
    for step in range(1, 4):
        smoother.add(ONE, reading([0.1, 0.8, 0.1]), step / 10)
        if shown(smoother, step / 10).abstained[0]:
            return
    pytest.fail("between two expressions neither is certain")


def test_a_new_track_begins_anew_and_an_old_one_is_forgotten():
    smoother = ExpressionSmoother(LABELS, SmoothingConfig(max_age_s=5.0))
    smoother.add(ONE, certain(1), 0.0)
    smoother.add(np.array([2], np.int64), certain(2), 0.1)
    assert shown(smoother, 0.1, np.array([2], np.int64)).label_of(0) == "surprise"
    assert not shown(smoother, 5.0).abstained[0]
    assert shown(smoother, 5.01).abstained[0]


def test_memory_is_bounded():
    smoother = ExpressionSmoother(LABELS, SmoothingConfig(max_age_s=2.0))
    for step in range(1000):
        smoother.add(np.array([step], np.int64), certain(0), step / 10)
    assert len(smoother) <= 21


def test_time_that_runs_backwards_forgets_everything():
    smoother = ExpressionSmoother(LABELS)
    smoother.add(ONE, certain(1), 100.0)
    assert shown(smoother, 99.0).abstained[0]
    smoother.add(ONE, certain(2), 99.0)
    assert shown(smoother, 99.0).label_of(0) == "surprise"


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf"), -1.0])
def test_a_reading_that_is_no_reading_is_counted_and_harms_nothing(bad):
    smoother = ExpressionSmoother(LABELS)
    ids = np.array([1, 2], np.int64)
    smoother.add(ids, reading([0.1, 0.8, 0.1], [0.8, 0.1, 0.1]), 0.0)
    before = shown(smoother, 0.1, ids).probabilities
    smoother.add(ids, reading([bad, 0.5, 0.5], [0.0, 0.0, 0.0]), 0.1)
    smoother.add(ids, reading([0.1, 0.1, 0.8], [0.1, 0.1, 0.8], sizes=[bad, 0.0]), 0.1)
    np.testing.assert_array_equal(shown(smoother, 0.1, ids).probabilities, before)
    assert smoother.ignored == 4
    smoother.add(np.array([3], np.int64), reading([np.nan] * 3), 0.1)
    assert shown(smoother, 0.1, np.array([3], np.int64)).abstained[0]


NUMBERS = st.one_of(st.floats(0, 1, width=32), st.sampled_from([np.nan, np.inf, -1.0, 1e-30, 1e30]))


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS, NUMBERS), max_size=4), st.floats(0, 1e6)), max_size=10
    )
)
def test_whatever_is_read_the_probabilities_are_probabilities(frames):
    smoother = ExpressionSmoother(LABELS, abstain_below=0.4)
    now = 0.0
    for rows, elapsed_s in frames:
        now += elapsed_s
        ids = np.arange(len(rows), dtype=np.int64)
        smoother.add(ids, reading(*[row[:3] for row in rows], sizes=[row[3] for row in rows]), now)
        result = shown(smoother, now, np.arange(5, dtype=np.int64))
        is_known = np.isfinite(result.probabilities).all(axis=1)
        assert result.abstained[~is_known].all()
        assert np.isnan(result.probabilities[~is_known]).all()
        np.testing.assert_allclose(result.probabilities[is_known].sum(axis=1), 1.0, atol=1e-4)
        assert ((result.label_index >= 0) & (result.label_index < 3)).all()
        assert ((result.confidence >= 0.4 - 1e-6) | result.abstained).all()


def test_what_does_not_fit_is_refused():
    smoother = ExpressionSmoother(LABELS)
    with pytest.raises(InputSpecError, match="other expressions"):
        ExpressionSmoother(LABELS[::-1]).add(ONE, certain(0), 0.0)
    with pytest.raises(InputSpecError, match="tracks"):
        smoother.add(np.array([1, 2], np.int64), certain(0), 0.0)
    with pytest.raises(InputSpecError, match="tracks"):
        smoother.predictions_of(np.array([1], np.int32), np.ones(1, np.float32), 0.0)
    with pytest.raises(InputSpecError, match="time"):
        smoother.add(ONE, certain(0), float("nan"))
    with pytest.raises(InputSpecError, match="time"):
        shown(smoother, float("inf"))
    with pytest.raises(InputSpecError, match="abstain"):
        ExpressionSmoother(LABELS, abstain_below=1.5)


@pytest.mark.parametrize(
    "options",
    [
        {"time_constant_s": -1.0},
        {"time_constant_s": float("inf")},
        {"margin": 1.1},
        {"min_probability": 0.0},
        {"max_age_s": 0.0},
        {"max_age_s": float("nan")},
    ],
)
def test_an_impossible_configuration_is_refused(options):
    with pytest.raises(UsageError, match="smoothing"):
        SmoothingConfig(**options)
