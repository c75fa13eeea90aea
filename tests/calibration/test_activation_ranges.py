"""Ranges against activations computed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from fsrfer.calibration import CalibrationSet, RangeMethod
from fsrfer.calibration.activation_ranges import measure_ranges
from fsrfer.calibration.quantization_plan import prepared
from fsrfer.core import GraphSpec, PreprocessSpec
from fsrfer.core.errors import CalibrationError

SPEC = PreprocessSpec(height=24, width=24)


@pytest.fixture(scope="module")
def model(networks):
    return prepared(networks.residual_model())


@pytest.fixture(scope="module")
def drawn(noise):
    return CalibrationSet.draw(noise, SPEC, samples=40, sizes=(24, 12), seed=0)


def test_plain_ranges_are_those_of_the_data(model, drawn, capsys):
    ranges = measure_ranges(model, drawn.feeds(GraphSpec()))
    normal = drawn.faces.astype(np.float64) / 127.5 - 1
    assert ranges["normal"] == pytest.approx((normal.min(), normal.max()), abs=1e-6)
    assert ranges["stem_active"][0] == 0.0
    assert ranges["stem"][0] < 0.0
    assert capsys.readouterr().out == ""


def test_ranges_do_not_depend_on_how_the_data_is_batched(model, drawn):
    small = measure_ranges(model, drawn.feeds(GraphSpec(), batch_size=7))
    large = measure_ranges(model, drawn.feeds(GraphSpec(), batch_size=40))
    assert small.keys() == large.keys()
    for name in small:
        assert small[name] == pytest.approx(large[name], rel=1e-5, abs=1e-6)


def test_percentiles_cut_the_tails(model, drawn, capsys):
    plain = measure_ranges(model, drawn.feeds(GraphSpec()))
    cut = measure_ranges(model, drawn.feeds(GraphSpec()), RangeMethod.PERCENTILE, 99.0)
    assert cut["b_out"][1] < plain["b_out"][1]
    assert cut["b_out"][0] == 0.0
    assert cut["stem"][0] > plain["stem"][0]
    assert capsys.readouterr().out == ""


def test_no_data_is_refused(model):
    with pytest.raises(CalibrationError, match="no calibration data"):
        measure_ranges(model, [])


@pytest.mark.parametrize("method", RangeMethod)
def test_weights_that_overflow_are_refused(networks, drawn, method):
    broken = networks.residual_model()
    scale = next(tensor for tensor in broken.graph.initializer if tensor.name == "stem.b")
    scale.raw_data = np.full(8, np.inf, np.float32).tobytes()
    with pytest.raises(CalibrationError, match="does not give finite numbers"):
        measure_ranges(prepared(broken), drawn.feeds(GraphSpec()), method)
