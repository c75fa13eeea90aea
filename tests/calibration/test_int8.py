"""INT8 graphs of a whole bundle: what is in them, and that they decide as FP32 does."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from fsrfer.calibration import Int8Config, QuantizationReport, RangeMethod, calibrate_int8
from fsrfer.core import ArtifactKind, ModelBundle
from fsrfer.core.errors import BundleError, CalibrationError, CheckFailedError, MissingDependencyError
from fsrfer.core.schema import from_mapping

CUT = RangeMethod.PERCENTILE
SMALL = Int8Config(samples=48, held_out=48, sizes=(24, 12), min_agreement=0.8)  # random weights decide narrowly


def report_of(bundle: ModelBundle) -> QuantizationReport:
    return from_mapping(QuantizationReport, bundle.manifest.calibration, where="test", error=BundleError)


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "conditioned"])
def calibrated(request, networks, noise, tmp_path_factory):
    bundle = networks.write_residual_bundle(tmp_path_factory.mktemp("int8") / "bundle", conditioned=request.param)
    return calibrate_int8(bundle, noise, SMALL)


def graph_of(bundle: ModelBundle, kind: ArtifactKind) -> onnx.ModelProto:
    return onnx.load(bundle.artifact_path(kind))


def test_all_convolutions_are_quantised_and_the_head_is_not(calibrated):
    report = report_of(calibrated)
    for graph in (report.tensorrt, report.cpu):
        assert graph.quantized == 6
        assert all(name.startswith("gemm_") for name in graph.float_nodes)
        assert "gemm_logits" in graph.float_nodes
        assert graph.agreement >= 0.8
        assert graph.logits_sqnr_db > 20


def test_tensorrt_form_is_symmetric_int8_without_quantised_bias(calibrated):
    model = graph_of(calibrated, ArtifactKind.ONNX_INT8_TENSORRT)
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    nodes = [node for node in model.graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")]
    assert nodes
    for node in nodes:
        zero_point = weights[node.input[2]]
        assert zero_point.dtype == np.int8
        assert not zero_point.any()
    assert not any(value.dtype == np.int32 for value in weights.values())
    per_channel = [node for node in nodes if weights[node.input[1]].ndim == 1]
    assert len(per_channel) == 6


def test_tensorrt_form_quantises_shortcuts_once_and_keeps_activations_behind_convolutions(calibrated):
    model = graph_of(calibrated, ArtifactKind.ONNX_INT8_TENSORRT)
    made_by = {node.output[0]: node.op_type for node in model.graph.node}
    additions = [node for node in model.graph.node if node.name in ("add_a_sum", "add_b_sum")]
    for addition in additions:
        assert sorted(made_by[name] == "DequantizeLinear" for name in addition.input) == [False, True]
    assert Counter(node.op_type for node in model.graph.node)["Relu"] >= 5


def test_cpu_form_is_integer_arithmetic_throughout(calibrated, tmp_path):
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.log_severity_level = 3
    path = calibrated.artifact_path(ArtifactKind.ONNX_INT8_CPU)
    onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    operators = Counter(node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node)
    assert operators["QLinearConv"] == 6
    assert not {"Conv", "FusedConv"} & set(operators)
    assert operators["QLinearAdd"] >= 2


def test_files_are_small_and_keep_the_metadata(calibrated):
    fp32 = calibrated.manifest.artifacts[ArtifactKind.ONNX_FP32.value]
    for kind in (ArtifactKind.ONNX_INT8_TENSORRT, ArtifactKind.ONNX_INT8_CPU):
        model = graph_of(calibrated, kind)
        assert {entry.key: entry.value for entry in model.metadata_props}["fsrfer.name"] == "residual"
        assert {entry.domain for entry in model.opset_import} <= {"", "ai.onnx"}
        weights = sum(len(tensor.raw_data) for tensor in model.graph.initializer)
        assert weights < 0.6 * fp32.size_bytes


def test_the_report_says_what_it_was_made_from(calibrated, noise):
    report = report_of(calibrated)
    assert report.source_sha256 == calibrated.manifest.artifacts["onnx-fp32"].sha256
    assert report.calibrated_on.dataset_id == report.checked_on.dataset_id == noise.dataset_id
    assert (report.calibrated_on.samples, report.checked_on.samples) == (48, 48)
    assert set(report.cpu.agreement_by_size) == {"24", "12"}
    assert (report.method, report.percentile) == (RangeMethod.MSE, None)


def test_the_same_seed_makes_the_same_files(calibrated, noise):
    again = calibrate_int8(calibrated, noise, SMALL)
    assert again.manifest.artifacts == calibrated.manifest.artifacts


def test_plain_ranges_work_too(networks, noise, tmp_path):
    bundle = networks.write_residual_bundle(tmp_path / "bundle", channels=1)
    config = Int8Config(samples=48, held_out=24, sizes=(24, 12), method=RangeMethod.MINMAX, min_agreement=0.7)
    report = report_of(calibrate_int8(bundle, noise, config))
    assert report.percentile is None
    assert report.cpu.logits_sqnr_db > 20


def test_the_tiny_bundle_without_node_names_is_quantised(make_bundle, noise, tmp_path):
    bundle = make_bundle(tmp_path / "bundle", noise.labels, conditioned=True)
    report = report_of(calibrate_int8(bundle, noise, SMALL))
    assert report.cpu.quantized == report.tensorrt.quantized == 1


def test_nodes_can_be_kept_in_float(networks, noise, tmp_path):
    bundle = networks.write_residual_bundle(tmp_path / "bundle")
    config = Int8Config(samples=24, held_out=12, sizes=(24,), min_agreement=0.7, keep_float=("^conv_b.$",))
    report = report_of(calibrate_int8(bundle, noise, config))
    assert report.cpu.quantized == 4
    assert {"conv_b1", "conv_b2"} <= set(report.cpu.float_nodes)


def test_a_graph_that_decides_differently_is_not_stored(networks, noise, tmp_path):
    bundle = networks.write_residual_bundle(tmp_path / "bundle")
    config = Int8Config(samples=24, held_out=24, sizes=(24, 12), method=CUT, percentile=60.0, min_agreement=1.0)
    with pytest.raises(CheckFailedError, match=r"decides differently.*Next: calibrate on more faces"):
        calibrate_int8(bundle, noise, config)
    stored = ModelBundle.load(bundle.path).manifest
    assert set(stored.artifacts) == {"onnx-fp32"}
    assert stored.calibration is None


def test_a_bundle_without_a_graph_is_refused(make_bundle, noise, tmp_path):
    bundle = make_bundle(tmp_path / "bundle", kinds=())
    with pytest.raises(BundleError, match="Next: fsrfer-export onnx"):
        calibrate_int8(bundle, noise, SMALL)


def test_a_missing_package_is_named(networks, noise, tmp_path, monkeypatch):
    bundle = networks.write_residual_bundle(tmp_path / "bundle")
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(MissingDependencyError, match=r"fsrfer\[export\]"):
        calibrate_int8(bundle, noise, SMALL)


@pytest.mark.parametrize("options", [{"percentile": 50.0}, {"percentile": 101.0}, {"min_agreement": 1.5}])
def test_impossible_options_are_refused(options):
    with pytest.raises(CalibrationError, match="impossible calibration options"):
        Int8Config(**options)
