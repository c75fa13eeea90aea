"""The knee of a curve of cameras."""

from __future__ import annotations

import pytest

from fsrfer.runtime.profiling.capacity_knee import CameraKnee, find_camera_knee


def test_the_knee_is_the_smallest_number_near_the_top():
    curve = {1: 9.9, 2: 20.1, 4: 39.4, 8: 74.6, 16: 76.7}
    assert find_camera_knee(curve) == CameraKnee(8, 74.6, 16, 76.7, is_open=False)


def test_a_curve_that_still_rises_has_none_yet():
    knee = find_camera_knee({1: 10.0, 2: 20.0, 4: 40.0})
    assert knee is not None
    assert (knee.sources, knee.is_open) == (4, True)


def test_a_curve_that_falls_has_its_knee_below_the_largest_number():
    knee = find_camera_knee({4: 40.0, 8: 60.0, 16: 50.0})
    assert knee is not None
    assert (knee.sources, knee.best_sources, knee.is_open) == (8, 8, False)


@pytest.mark.parametrize("curve", [{}, {4: 40.0}, {1: 0.0, 2: 0.0}])
def test_no_curve_no_knee(curve):
    assert find_camera_knee(curve) is None
