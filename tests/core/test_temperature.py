"""Which temperature a face's logits are divided by."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fsrfer.core import TemperatureBand
from fsrfer.core.temperature import temperatures_for


@settings(max_examples=50)
@given(
    st.lists(st.tuples(st.floats(0, 200, width=32), st.floats(0.125, 10, width=32)), min_size=1, max_size=5),
    st.lists(st.floats(1, 300, width=32), max_size=20),
)
def test_each_face_takes_the_temperature_of_the_largest_band_it_reaches(bands, sizes):
    ordered = sorted(
        {start: TemperatureBand(start, value) for start, value in bands}.values(), key=lambda b: b.min_face_px
    )
    result = temperatures_for(np.array(sizes, np.float32), ordered)
    for size, temperature in zip(sizes, result, strict=True):
        reached = [band for band in ordered if band.min_face_px <= size] or ordered[:1]
        assert temperature == np.float32(reached[-1].temperature)


def test_without_bands_nothing_is_scaled():
    np.testing.assert_array_equal(temperatures_for(np.array([5, 50], np.float32), ()), [1, 1])
