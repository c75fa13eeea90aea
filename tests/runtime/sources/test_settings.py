"""Settings of one source."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fsrfer.core.errors import SourceError, UsageError
from fsrfer.runtime.sources import SourceSettings

SIDES = st.integers(1, 8192)
FRACTIONS = st.floats(0, 1)


@pytest.mark.parametrize(
    "options",
    [
        {"region": (0.5, 0.0, 0.5, 1.0)},
        {"region": (0.0, 0.6, 1.0, 0.5)},
        {"region": (-1.0, 0.0, 1.0, 1.0)},
        {"region": (0.0, 0.0, math.inf, 1.0)},
        {"region": (0.0, math.nan, 1.0, 1.0)},
        {"max_fps": 0.0},
        {"max_fps": math.nan},
        {"max_fps": math.inf},
        {"min_face_px": -1.0},
        {"min_face_px": math.nan},
        {"detector_side": 16},
        {"start_timeout_s": 0.0},
        {"read_timeout_s": math.inf},
        {"decoder_threads": 0},
    ],
)
def test_impossible_settings(options):
    with pytest.raises(UsageError, match=f"impossible {next(iter(options))} of a source"):
        SourceSettings(**options)


def test_without_a_region_the_whole_frame_counts():
    assert SourceSettings().region_px(640, 480) is None


def test_a_region_is_in_fractions_or_in_pixels():
    assert SourceSettings(region=(0.25, 0.5, 0.75, 1.0)).region_px(640, 480) == (160, 240, 480, 480)
    assert SourceSettings(region=(160, 240, 480, 480)).region_px(640, 480) == (160, 240, 480, 480)
    assert SourceSettings(region=(0, 0, 1, 1)).region_px(640, 480) == (0, 0, 640, 480)


def test_a_region_that_reaches_out_of_the_frame_is_cut_and_one_beyond_it_refused():
    assert SourceSettings(region=(600, 400, 900, 900)).region_px(640, 480) == (600, 400, 640, 480)
    with pytest.raises(SourceError, match=r"lies outside the frame; found a frame of 320 x 240"):
        SourceSettings(region=(600, 400, 900, 900)).region_px(320, 240)


@given(SIDES, SIDES, st.tuples(FRACTIONS, FRACTIONS, FRACTIONS, FRACTIONS))
def test_a_region_in_fractions_fits_every_frame(width, height, corners):
    left, right = sorted(corners[:2])
    top, bottom = sorted(corners[2:])
    assume(left < right and top < bottom)
    x0, y0, x1, y1 = SourceSettings(region=(left, top, right, bottom)).region_px(width, height)
    assert 0 <= x0 < x1 <= width
    assert 0 <= y0 < y1 <= height
    assert x0 <= left * width
    assert x1 >= min(right * width, width) - 1e-6
