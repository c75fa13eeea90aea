"""Whether a pipeline did the same throughout."""

from __future__ import annotations

import numpy as np
import pytest

from fsrfer.runtime.profiling.statistics import Stability
from fsrfer.runtime.profiling.steadiness import steadiness_of

ENDS = np.linspace(100.05, 108.95, 90)  # ten results a second for nine seconds


def test_equal_thirds_are_stable():
    found = steadiness_of(ENDS, np.full(90, 0.05), 100.0, 9.0)
    assert found.stability is Stability.STABLE
    assert [third.frames_per_second for third in found.thirds] == [10.0] * 3
    assert [third.age_p50_ms for third in found.thirds] == pytest.approx([50.0] * 3)


def test_ages_that_grow_are_not():
    found = steadiness_of(ENDS, np.linspace(0.05, 0.10, 90), 100.0, 9.0)
    assert found.stability is Stability.DRIFTING
    ages = [third.age_p50_ms for third in found.thirds]
    assert ages == sorted(ages)


def test_a_rate_that_falls_is_not():
    slowing = np.concatenate([ENDS[:30], ENDS[30:60:2], ENDS[60::3]])
    found = steadiness_of(slowing, np.full(len(slowing), 0.05), 100.0, 9.0)
    assert found.stability is Stability.DRIFTING
    assert [third.frames_per_second for third in found.thirds] == pytest.approx([10.0, 5.0, 10 / 3])


@pytest.mark.parametrize("kept", [slice(0, 60), slice(0, 0), slice(0, 90, 8)])
def test_a_third_with_hardly_a_frame_tells_nothing(kept):
    ends = ENDS[kept]
    found = steadiness_of(ends, np.full(len(ends), 0.05), 100.0, 9.0)
    assert found.stability is Stability.TOO_SHORT
    assert len(found.thirds) == 3


def test_a_result_at_the_very_end_belongs_to_the_last_third():
    found = steadiness_of(np.array([109.0]), np.array([0.1]), 100.0, 9.0)
    assert [third.age_p50_ms for third in found.thirds] == [None, None, pytest.approx(100.0)]
