"""Risk against coverage."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsrfer.core.errors import InputSpecError
from fsrfer.core.selective import risk_coverage


def curve(*pairs: tuple[float, bool]):
    confidence, correct = zip(*pairs, strict=True)
    return risk_coverage(np.array(confidence, np.float32), np.array(correct))


def test_a_curve_by_hand():
    found = curve((0.5, False), (0.9, True), (0.7, True), (0.6, False))
    np.testing.assert_allclose(found.threshold, [0.9, 0.7, 0.6, 0.5], rtol=1e-6)
    np.testing.assert_allclose(found.coverage, [0.25, 0.5, 0.75, 1.0])
    np.testing.assert_allclose(found.risk, [0, 0, 1 / 3, 1 / 2])
    assert found.area == pytest.approx((0 + 0 + 1 / 3 + 1 / 2) / 4)
    assert found.threshold_for(0.0) == pytest.approx((0.7, 0.5))
    assert found.threshold_for(0.4) == pytest.approx((0.6, 0.75))
    assert found.threshold_for(0.5) == pytest.approx((0.5, 1.0))


def test_equal_confidences_are_answered_together():
    for order in ([0, 1, 2], [2, 1, 0]):
        pairs = [((0.8, True), (0.8, False), (0.3, True))[position] for position in order]
        found = curve(*pairs)
        np.testing.assert_allclose(found.coverage, [2 / 3, 1])
        np.testing.assert_allclose(found.risk, [1 / 2, 1 / 3])


def test_no_threshold_keeps_an_impossible_risk():
    assert curve((0.9, False), (0.2, True)).threshold_for(0.1) == (float("inf"), 0.0)


@given(st.lists(st.tuples(st.floats(0, 1, width=32), st.booleans()), min_size=1, max_size=60))
def test_what_holds_for_every_curve(pairs):
    found = curve(*pairs)
    assert found.coverage[-1] == 1.0
    assert found.risk[-1] == pytest.approx(1 - np.mean([right for _, right in pairs]))
    assert (np.diff(found.coverage) > 0).all()
    assert (np.diff(found.threshold) < 0).all()
    assert 0 <= found.area <= 1
    threshold, coverage = found.threshold_for(0.3)
    answered = [right for confidence, right in pairs if confidence >= threshold]
    assert coverage == pytest.approx(len(answered) / len(pairs))
    if answered:
        assert 1 - np.mean(answered) <= 0.3 + 1e-9


@pytest.mark.parametrize(
    ("confidence", "correct", "told"),
    [([], [], "at least one face"), ([0.5], [True, False], "one of each"), ([float("nan")], [True], "NaN")],
)
def test_unusable_arrays_are_refused(confidence, correct, told):
    with pytest.raises(InputSpecError, match=told):
        risk_coverage(np.array(confidence, np.float32), np.array(correct, bool))
