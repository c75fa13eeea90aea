"""INT8 against FP32, round by round."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fsrfer.core import Precision
from fsrfer.runtime.profiling import Combination, LatencyClock
from fsrfer.runtime.profiling.speedups import find_speedups

FP32 = Combination(Precision.FP32, 8, 1, 1, LatencyClock.MODEL)
INT8 = replace(FP32, precision=Precision.INT8)


def rounds(*medians: float) -> list[np.ndarray]:
    return [np.array([0.9 * median, median, 3.0 * median]) for median in medians]


def test_noise_that_both_share_leaves_the_ratio_alone():
    noise = (1.0, 1.02, 0.98, 1.05, 1.01, 0.99)
    (found,) = find_speedups({FP32: rounds(*(9 * n for n in noise)), INT8: rounds(*(3 * n for n in noise))})
    assert found.by_round == pytest.approx([3.0] * 6)
    assert found.interval == pytest.approx((3.0, 3.0))
    assert found.is_sure


@pytest.mark.parametrize("drifting", [FP32, INT8])
def test_a_ratio_with_a_row_that_drifts_is_not_sure(drifting):
    steady = {FP32: rounds(9, 9, 9, 9, 9, 9), INT8: rounds(3, 3, 3, 3, 3, 3)}
    (found,) = find_speedups({**steady, drifting: rounds(1, 1, 1, 2, 2, 2)})
    assert not found.is_sure


def test_only_equal_combinations_are_compared():
    assert find_speedups({FP32: rounds(9, 9), replace(INT8, batch=4): rounds(3, 3)}) == ()
    assert find_speedups({INT8: rounds(3, 3)}) == ()
