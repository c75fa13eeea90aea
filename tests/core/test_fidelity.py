"""Comparing two forms of a model."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fsrfer.core.errors import CheckFailedError, InputSpecError
from fsrfer.core.fidelity import Bounds, FidelityReport, compare_band

NAMES = ("neutral", "happiness", "anger")


def one_hot(classes: list[int], strength: float = 5.0) -> np.ndarray:
    return (strength * np.eye(len(NAMES), dtype=np.float32))[classes]


def report(*bands) -> FidelityReport:
    return FidelityReport("FP32", "INT8", "faces", tuple(bands))


def band(size: int, labels: list[int], reference: list[int], candidate: list[int]):
    return compare_band(size, np.array(labels, np.int64), NAMES, one_hot(reference), one_hot(candidate))


def test_an_equal_candidate_loses_nothing():
    found = band(12, [0, 1, 2, 0], [0, 1, 1, 0], [0, 1, 1, 0])
    assert found.overall.drop.value == 0.0
    assert found.overall.agreement == 1.0
    assert found.overall.max_logit_error == 0.0
    assert found.overall.reference_accuracy == 0.75
    assert report(found).violations(Bounds(max_drop=0.0, min_agreement=1.0, max_logit_error=0.0)) == []


def test_a_worse_candidate_is_named_by_size_and_class():
    good = band(48, [0, 1, 2, 0], [0, 1, 2, 0], [0, 1, 2, 0])
    bad = band(12, [0, 1, 2, 0], [0, 1, 2, 0], [0, 1, 1, 0])
    assert bad.by_label["anger"].drop.value == 1.0
    assert bad.by_label["neutral"].drop.value == 0.0
    assert report(good, bad).worst_drop[0] == 12
    with pytest.raises(CheckFailedError, match=r"25.00 points of accuracy at 12 px"):
        report(good, bad).raise_if_beyond(Bounds(max_drop=0.1))


def test_a_better_candidate_passes():
    found = band(12, [0, 1], [0, 0], [0, 1])
    assert found.overall.drop.value == -0.5
    report(found).raise_if_beyond(Bounds(max_drop=0.0))


def test_the_interval_widens_with_fewer_faces():
    few = band(12, [0] * 10, [0] * 10, [0] * 9 + [1]).overall.drop
    many = band(12, [0] * 1000, [0] * 1000, [0] * 900 + [1] * 100).overall.drop
    assert few.value == pytest.approx(many.value)
    assert few.high - few.low > 3 * (many.high - many.low)


def test_an_empty_band_is_no_data_and_never_a_pass():
    empty = band(8, [], [], [])
    assert empty.overall is None
    assert set(empty.by_label.values()) == {None}
    with pytest.raises(CheckFailedError, match="no data"):
        report(empty).raise_if_beyond(Bounds())
    report(empty, band(12, [0], [0], [0])).raise_if_beyond(Bounds(max_drop=0.0))


def test_an_expression_without_faces_is_no_data():
    assert band(12, [0, 1], [0, 1], [0, 1]).by_label["anger"] is None


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_logits_that_are_no_numbers_fail_whatever_the_bounds(broken):
    candidate = one_hot([0, 1])
    candidate[1, 0] = broken
    found = compare_band(12, np.array([0, 1]), NAMES, one_hot([0, 1]), candidate)
    assert found.overall.not_finite == 1
    assert found.overall.candidate_accuracy == 0.5
    with pytest.raises(CheckFailedError, match="not finite"):
        report(found).raise_if_beyond(Bounds())


def test_every_bound_can_fail():
    labels = np.array([0, 1, 2, 0])
    reference = one_hot([0, 1, 2, 0])
    found = compare_band(12, labels, NAMES, reference, one_hot([0, 1, 2, 1], 7.0))
    for bounds, said in (
        (Bounds(max_drop=0.2), "points of accuracy"),
        (Bounds(min_agreement=0.9), "75.00% equal decisions"),
        (Bounds(max_logit_error=1.0), "a logit that differs by 7"),
        (Bounds(max_calibration_rise=0.01), "calibration error"),
    ):
        assert said in report(found).violations(bounds)[0][1]
        assert str(bounds)


def test_the_temperature_counts_for_calibration_only():
    labels = np.array([0, 1, 2, 0])
    hot = compare_band(12, labels, NAMES, one_hot([0, 1, 2, 1]), one_hot([0, 1, 2, 1]), 10.0).overall
    cold = compare_band(12, labels, NAMES, one_hot([0, 1, 2, 1]), one_hot([0, 1, 2, 1])).overall
    assert hot.candidate_accuracy == cold.candidate_accuracy
    assert hot.candidate_calibration_error != cold.candidate_calibration_error


def test_arrays_that_do_not_fit_are_refused():
    with pytest.raises(InputSpecError, match="do not fit"):
        compare_band(12, np.array([0, 1]), NAMES, one_hot([0, 1]), one_hot([0]))


@given(
    reference=arrays(np.float32, (12, 3), elements=st.floats(-9, 9, width=32)),
    candidate=arrays(np.float32, (12, 3), elements=st.floats(-9, 9, width=32)),
    labels=arrays(np.int64, 12, elements=st.integers(0, 2)),
)
def test_the_drop_is_the_difference_and_lies_in_its_interval(reference, candidate, labels):
    found = compare_band(12, labels, NAMES, reference, candidate).overall
    assert found.drop.value == pytest.approx(found.reference_accuracy - found.candidate_accuracy)
    assert found.drop.low <= found.drop.value <= found.drop.high
    weighted = sum(
        part.drop.value * part.faces
        for part in compare_band(12, labels, NAMES, reference, candidate).by_label.values()
        if part is not None
    )
    assert weighted / 12 == pytest.approx(found.drop.value)
