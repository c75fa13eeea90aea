"""Histograms against activations computed by hand."""

from __future__ import annotations

from functools import partial

import numpy as np
import onnx
import pytest

from fsrfer.calibration import CalibrationSet
from fsrfer.calibration.activation_histograms import BINS, ActivationHistogram, measure_histograms
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


@pytest.fixture(scope="module")
def histograms(model, drawn):
    return measure_histograms(model, partial(drawn.feeds, GraphSpec()))


def test_a_histogram_is_that_of_the_data(histograms, drawn):
    normal = drawn.faces.astype(np.float32) / np.float32(127.5) - 1
    found = histograms["normal"]
    assert (found.low, found.high) == pytest.approx((normal.min(), normal.max()), abs=1e-6)
    assert found.counts.sum() == normal.size
    assert found.quantile(0.5) == pytest.approx(float(np.median(normal)), abs=0.02)


def test_every_floating_tensor_is_looked_at(histograms, model):
    names = set(histograms)
    assert {"normal", "stem", "stem_active", "b_out", "face_size_px"} <= names | {"face_size_px"}
    assert all(histogram.counts.sum() > 0 for histogram in histograms.values())
    assert histograms["stem_active"].low == 0.0
    assert histograms["stem"].low < 0.0


def test_histograms_do_not_depend_on_how_the_data_is_batched(model, drawn, histograms):
    small = measure_histograms(model, partial(drawn.feeds, GraphSpec(), batch_size=7))
    assert small.keys() == histograms.keys()
    for name, histogram in small.items():
        assert histogram.low == pytest.approx(histograms[name].low, rel=1e-5, abs=1e-6)
        assert histogram.high == pytest.approx(histograms[name].high, rel=1e-5, abs=1e-6)
        assert histogram.counts.sum() == histograms[name].counts.sum()


def test_no_data_is_refused(model):
    with pytest.raises(CalibrationError, match="no calibration data"):
        measure_histograms(model, list)


def test_weights_that_overflow_are_refused(networks, drawn):
    broken = networks.residual_model()
    scale = next(tensor for tensor in broken.graph.initializer if tensor.name == "stem.b")
    scale.raw_data = np.full(8, np.inf, np.float32).tobytes()
    with pytest.raises(CalibrationError, match="does not give finite numbers"):
        measure_histograms(prepared(broken), partial(drawn.feeds, GraphSpec()))


def test_quantiles_of_a_flat_distribution():
    flat = ActivationHistogram(-1.0, 3.0, np.full(BINS, 5, np.int64))
    assert flat.quantile(0.0) == -1.0
    assert flat.quantile(0.25) == pytest.approx(0.0)
    assert flat.quantile(1.0) == 3.0
    assert flat.centers[0] == pytest.approx(-1.0 + 2.0 / BINS)


def test_shapes_of_tensors_that_are_not_there_do_no_harm(model, drawn):
    """Exporters also describe weights, some of which later steps have replaced."""
    described = onnx.ModelProto()
    described.CopyFrom(model)
    described.graph.value_info.append(onnx.helper.make_tensor_value_info("gone.w", onnx.TensorProto.FLOAT, [3]))
    assert "gone.w" not in measure_histograms(described, partial(drawn.feeds, GraphSpec()))


@pytest.mark.parametrize("value", [0.0, 1e-9, -3.5, 12345.678])
def test_a_tensor_that_never_changes_has_a_range(value):
    constant = onnx.parser.parse_model(
        f"""<ir_version: 9, opset_import: ["" : 18]>
        g (float[N, 4] x) => (float[N, 4] logits) <float[4] c = {{{value}, {value}, {value}, {value}}}>
        {{ zero = Sub(x, x)  logits = Add(zero, c) }}"""
    )
    feed = {"x": np.ones((2, 4), np.float32)}
    found = measure_histograms(prepared(constant), lambda: [feed])["logits"]
    assert found.low <= value <= found.high
    assert found.counts.sum() == 8
