"""The batch from which on larger ones gain little."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fsrfer.core import Precision
from fsrfer.runtime.profiling import LatencyClock, ProfileRow, Stability
from fsrfer.runtime.profiling.knees import find_knees
from fsrfer.runtime.profiling.statistics import summarize


def row(batch: int, rate: float, **changes: object) -> ProfileRow:
    made = ProfileRow(
        precision=Precision.FP32,
        batch=batch,
        threads=1,
        clock=LatencyClock.MODEL,
        latency=summarize(np.ones(3)),
        faces_per_second=rate,
        window_medians_ms=(1.0, 1.0, 1.0),
        stability=Stability.STABLE,
    )
    return replace(made, **changes)


def test_the_knee_is_the_smallest_batch_near_the_best():
    (knee,) = find_knees([row(1, 50.0), row(8, 94.0), row(16, 96.0), row(32, 100.0), row(64, 99.0)])
    assert (knee.batch, knee.best_batch, knee.is_open, knee.is_sure) == (16, 32, False, True)
    assert (knee.faces_per_second, knee.best_faces_per_second) == (96.0, 100.0)


def test_a_rate_that_still_rises_leaves_the_knee_open():
    (knee,) = find_knees([row(32, 100.0), row(1, 50.0)])
    assert (knee.batch, knee.is_open) == (32, True)


def test_a_drifting_row_makes_it_unsure():
    (knee,) = find_knees([row(1, 50.0), row(8, 99.0, stability=Stability.DRIFTING), row(32, 100.0)])
    assert not knee.is_sure


@pytest.mark.parametrize(
    "change", [{"precision": Precision.INT8}, {"threads": 2}, {"streams": 2}, {"clock": LatencyClock.CLASSIFY}]
)
def test_series_are_kept_apart(change):
    rows = [row(1, 10.0), row(2, 10.0), row(1, 100.0, **change), row(2, 200.0, **change)]
    assert [knee.batch for knee in find_knees(rows)] == [1, 2]
    assert find_knees(rows[::2]) == ()
