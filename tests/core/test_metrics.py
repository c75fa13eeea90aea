"""Figures of merit, against values worked out by hand or by slower means."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fsrfer.core.errors import InputSpecError
from fsrfer.core.metrics import (
    Interval,
    accuracy,
    class_recalls,
    confusion_matrix,
    expected_calibration_error,
    macro_f1,
    mcnemar,
    mean_class_accuracy,
    negative_log_likelihood,
    paired_difference,
)
from fsrfer.core.predictions import softmax

CLASSES = 4


def right_and_wrong(right: int, wrong: int):
    return np.zeros(right + wrong, np.int64), np.array([0] * right + [1] * wrong, np.int64)


@st.composite
def pairs(draw):
    count = draw(st.integers(1, 40))
    classes = st.integers(0, CLASSES - 1)
    return tuple(draw(hnp.arrays(np.int64, count, elements=classes)) for _ in range(2))


@st.composite
def scored(draw):
    count = draw(st.integers(1, 30))
    logits = draw(hnp.arrays(np.float32, (count, CLASSES), elements=st.floats(-20, 20, width=32)))
    labels = draw(hnp.arrays(np.int64, count, elements=st.integers(0, CLASSES - 1)))
    return logits, labels


@pytest.mark.parametrize(
    ("right", "wrong", "low", "high"),
    [  # Newcombe, Statistics in Medicine 17 (1998), table I, method 3: 81/263, 15/148, 0/20 and 1/29
        (81, 182, 0.2553, 0.3662),
        (15, 133, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 28, 0.0061, 0.1718),
    ],
)
def test_wilson_intervals_of_the_literature(right, wrong, low, high):
    interval = accuracy(*right_and_wrong(right, wrong))
    assert interval.value == pytest.approx(right / (right + wrong))
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=5e-5)


@given(pairs(), st.floats(0.5, 0.999))
def test_intervals_hold_their_estimate(pair, confidence):
    bootstrapped = mean_class_accuracy(*pair, confidence=confidence, resamples=50)
    for interval in (accuracy(*pair, confidence=confidence), bootstrapped):
        assert 0 <= interval.low <= interval.value <= interval.high <= 1


def test_more_faces_and_less_confidence_narrow_the_interval():
    few, many = (accuracy(*right_and_wrong(8 * n, 2 * n)) for n in (1, 100))
    assert many.high - many.low < few.high - few.low
    loose = accuracy(*right_and_wrong(8, 2), confidence=0.5)
    assert loose.high - loose.low < few.high - few.low


def test_mean_class_accuracy_weighs_classes_alike():
    labels = np.array([0] * 90 + [2] * 10, np.int64)
    predictions = np.zeros(100, np.int64)
    assert class_recalls(labels, predictions) == {0: 1.0, 2: 0.0}
    assert mean_class_accuracy(labels, predictions).value == 0.5
    assert accuracy(labels, predictions).value == 0.9


def test_the_bootstrap_interval_has_the_width_of_the_binomial_one():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], [400, 100]).astype(np.int64)
    predictions = np.where(rng.random(500) < 0.75, labels, 1 - labels)
    interval = mean_class_accuracy(labels, predictions)
    recalls = class_recalls(labels, predictions)
    deviation = math.sqrt(sum(r * (1 - r) / n for r, n in zip(recalls.values(), (400, 100), strict=True))) / 2
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * deviation, rel=0.05)


def test_the_bootstrap_repeats_with_its_seed():
    rng = np.random.default_rng(0)
    pair = rng.integers(0, 4, 100), rng.integers(0, 4, 100)
    assert mean_class_accuracy(*pair, seed=3) == mean_class_accuracy(*pair, seed=3)
    assert mean_class_accuracy(*pair, seed=3) != mean_class_accuracy(*pair, seed=4)


@given(pairs())
def test_everything_agrees_with_the_confusion_matrix(pair):
    labels, predictions = pair
    matrix = confusion_matrix(labels, predictions, CLASSES)
    slow = np.zeros((CLASSES, CLASSES), np.int64)
    for label, prediction in zip(labels, predictions, strict=True):
        slow[label, prediction] += 1
    np.testing.assert_array_equal(matrix, slow)
    assert accuracy(labels, predictions).value == pytest.approx(np.trace(matrix) / matrix.sum())
    occurring = matrix.sum(axis=1) > 0
    recalls = np.diag(matrix)[occurring] / matrix.sum(axis=1)[occurring]
    assert mean_class_accuracy(labels, predictions, resamples=10).value == pytest.approx(recalls.mean())
    both = (matrix.sum(axis=0) + matrix.sum(axis=1))[(matrix.sum(axis=0) + matrix.sum(axis=1)) > 0]
    hits = np.diag(matrix)[(matrix.sum(axis=0) + matrix.sum(axis=1)) > 0]
    assert macro_f1(labels, predictions) == pytest.approx((2 * hits / both).mean())


def test_macro_f1_by_hand():
    labels = np.array([0, 0, 0, 1, 1, 2])
    predictions = np.array([0, 0, 1, 1, 0, 3])
    # Class 0: 2/3 and 2/3; class 1: 1/2 and 1/2; classes 2 and 3: nothing right.
    assert macro_f1(labels, predictions) == pytest.approx((2 / 3 + 1 / 2 + 0 + 0) / 4)


@given(scored())
def test_calibration_error_equals_a_loop_over_the_bins(case):
    logits, labels = case
    probabilities = softmax(logits)
    confidence = probabilities.max(axis=1).astype(np.float64)
    right = probabilities.argmax(axis=1) == labels
    expected = 0.0
    for low in np.arange(15):
        inside = (confidence * 15 > low) & (confidence * 15 <= low + 1)
        if inside.any():
            expected += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    assert expected_calibration_error(probabilities, labels) == pytest.approx(expected, abs=1e-9)


def test_calibration_error_by_hand():
    probabilities = np.array([[1, 0], [1, 0], [0.8, 0.2], [0.8, 0.2]], np.float32)
    assert expected_calibration_error(probabilities, np.array([0, 0, 0, 0])) == pytest.approx(0.1)
    assert expected_calibration_error(probabilities, np.array([0, 1, 0, 0])) == pytest.approx(0.25 + 0.1)
    assert expected_calibration_error(probabilities, np.array([1, 1, 1, 1])) == pytest.approx(0.9)


@given(scored(), st.floats(-1000, 1000, width=32))
def test_likelihood_is_that_of_the_softmax_and_ignores_offsets(case, offset):
    logits, labels = case
    wide = np.exp(logits.astype(np.float64))
    expected = -np.log(wide[np.arange(len(labels)), labels] / wide.sum(axis=1)).mean()
    assert negative_log_likelihood(logits, labels) == pytest.approx(expected, abs=1e-6)
    assert negative_log_likelihood(logits.astype(np.float64) + offset, labels) == pytest.approx(expected, abs=1e-6)


def test_likelihood_of_extreme_logits_is_finite():
    assert negative_log_likelihood(np.array([[1e4, -1e4]], np.float32), np.array([1])) == pytest.approx(2e4)


def paired(only_first: int, only_second: int, both: int = 3):
    first = np.array([True] * only_first + [False] * only_second + [True] * both, np.bool_)
    second = np.array([False] * only_first + [True] * only_second + [True] * both, np.bool_)
    return first, second


@settings(deadline=None)
@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 5))
def test_mcnemar_equals_the_sum_over_the_binomial_distribution(only_first, only_second, both):
    result = mcnemar(*paired(only_first, only_second, both))
    n, smaller = only_first + only_second, min(only_first, only_second)
    tail = sum(math.comb(n, k) for k in range(smaller + 1)) / 2**n
    assert (result.only_first, result.only_second) == (only_first, only_second)
    assert result.p_exact == pytest.approx(min(1.0, 2 * tail))
    assert result.p_mid <= result.p_exact
    if n:
        assert result.p_mid == pytest.approx(min(1.0, 2 * tail - math.comb(n, smaller) / 2**n))
    mirrored = mcnemar(*reversed(paired(only_first, only_second, both)))
    assert (mirrored.p_exact, mirrored.p_mid) == (result.p_exact, result.p_mid)


def test_mcnemar_of_the_literature():
    # Fagerland et al. (2013), table 1 (airway hyper-responsiveness, 1 and 7 discordant pairs): 0.0703 and 0.0391.
    result = mcnemar(*paired(1, 7))
    assert (result.p_exact, result.p_mid) == pytest.approx((0.0703, 0.0391), abs=5e-5)


def test_mcnemar_of_thousands_of_faces():
    assert mcnemar(*paired(4000, 3000)).p_exact < 1e-30
    assert mcnemar(*paired(5000, 5000)).p_exact == 1.0
    assert mcnemar(*paired(0, 0)).p_mid == 1.0


@pytest.mark.parametrize(
    "call",
    [
        lambda: accuracy(np.zeros(0, np.int64), np.zeros(0, np.int64)),
        lambda: accuracy(np.zeros(2, np.int64), np.zeros(3, np.int64)),
        lambda: mean_class_accuracy(np.zeros((2, 2), np.int64), np.zeros((2, 2), np.int64)),
        lambda: macro_f1(np.zeros(0, np.int64), np.zeros(0, np.int64)),
        lambda: confusion_matrix(np.array([0, 3]), np.array([0, 0]), 3),
        lambda: confusion_matrix(np.array([0, 1]), np.array([0, -1]), 3),
        lambda: expected_calibration_error(np.full((2, 2), 0.5, np.float32), np.zeros(3, np.int64)),
        lambda: negative_log_likelihood(np.array([[0.0, np.nan]], np.float32), np.array([0])),
        lambda: negative_log_likelihood(np.array([[0.0, 1.0]], np.float32), np.array([2])),
        lambda: mcnemar(np.array([True]), np.array([True, False])),
    ],
)
def test_arrays_that_do_not_fit_are_refused(call):
    with pytest.raises(InputSpecError):
        call()


def test_an_interval_prints_as_percentages():
    assert str(Interval(0.5, 0.25, 0.75)) == "50.00% [25.00%, 75.00%]"


def test_a_paired_difference_of_the_literature():
    """Bonett and Price (2012), equation 7, worked out by hand."""
    first, second = paired(21, 5, 74)
    found = paired_difference(first, second)
    p1, p2, n = 22 / 102, 6 / 102, 102
    half = 1.959964 * np.sqrt((p1 + p2 - (p1 - p2) ** 2) / n)
    assert found.value == pytest.approx(0.16)
    assert (found.low, found.high) == pytest.approx((p1 - p2 - half, p1 - p2 + half), abs=1e-6)


def test_a_paired_difference_of_equal_classifiers_is_not_certain():
    found = paired_difference(*paired(0, 0, 50))
    assert found.value == 0.0
    assert -0.1 < found.low < 0.0 < found.high < 0.1


def test_a_paired_difference_needs_pairs():
    with pytest.raises(InputSpecError, match="not paired"):
        paired_difference(np.array([True]), np.array([True, False]))
