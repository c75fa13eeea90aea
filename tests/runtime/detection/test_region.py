"""Looking at a part of the frame only."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsrfer.core.errors import UsageError
from fsrfer.runtime.detection import Region, RegionDetector, TiledDetector, TilingConfig, open_detector


def test_faces_of_the_region_alone_in_pixels_of_the_frame(yunet, crowd):
    region = Region(0.25, 0.5, 0.75, 1.0)
    watched = RegionDetector(yunet, region)
    x0, y0, x1, y1 = region.pixels_of((crowd.shape[1], crowd.shape[0]))
    found = watched.detect(crowd)
    assert len(found) > 20
    assert np.all((found.boxes >= [x0, y0, x0, y0]) & (found.boxes <= [x1, y1, x1, y1]))
    expected = yunet.detect(np.ascontiguousarray(crowd[y0:y1, x0:x1]))
    np.testing.assert_allclose(found.boxes, expected.boxes + np.float32([x0, y0, x0, y0]), atol=1e-3)
    np.testing.assert_allclose(found.landmarks, expected.landmarks + np.float32([x0, y0]), atol=1e-3)


def test_a_region_of_its_own_limits_and_tiles(yunet, crowd):
    plain = RegionDetector(TiledDetector(yunet, TilingConfig(side=480, overlap=64)), Region(0.0, 0.0, 0.5, 1.0))
    strict = plain.with_config(replace(plain.config, min_face_px=30.0))
    assert (plain.name, plain.score_threshold) == ("yunet", yunet.score_threshold)
    assert strict.region == plain.region
    assert strict.config.min_face_px == 30.0
    many, few = (detector.detect_batch([crowd, crowd[::-1]])[0] for detector in (plain, strict))
    assert len(many) > 2 * len(few) > 0
    assert few.sides.min() >= 30.0


def test_entering_and_leaving_reaches_the_detector(yunet_file, group):
    opened = open_detector(f"yunet:{yunet_file}", threads=1)
    with RegionDetector(TiledDetector(opened, TilingConfig()), Region(0, 0, 1, 0.5)) as detector:
        detector.detect(group)
    with pytest.raises(AttributeError):  # its session is gone
        opened.detect(group)


fractions = st.floats(0, 1)


@given(fractions, fractions, fractions, fractions, st.integers(1, 5000), st.integers(1, 5000))
def test_a_region_has_a_pixel_in_every_frame_and_none_outside(a, b, c, d, width, height):
    if a == c or b == d:
        return
    left, top, right, bottom = Region(min(a, c), min(b, d), max(a, c), max(b, d)).pixels_of((width, height))
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height


@pytest.mark.parametrize(
    "corners", [(0, 0, 0, 1), (0.5, 0, 0.4, 1), (0, 0, 1.1, 1), (-0.1, 0, 1, 1), (0, float("nan"), 1, 1)]
)
def test_impossible_region_is_refused(corners):
    with pytest.raises(UsageError, match="impossible region of interest"):
        Region(*corners)
