"""Half-precision graphs: exact types on every edge, and the same decisions."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from fsrfer.calibration import CalibrationSet
from fsrfer.calibration.quantization_plan import prepared
from fsrfer.core import ArtifactKind
from fsrfer.core.errors import CheckFailedError, EngineBuildError
from fsrfer.core.schema import to_mapping
from fsrfer.export.float16 import convert_to_float16, export_float16, overflowing_nodes
from fsrfer.runtime import OnnxRuntimeRunner


def types_of(model: onnx.ModelProto) -> dict[str, int]:
    graph = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    infos = [*graph.input, *graph.value_info, *graph.output]
    types = {info.name: info.type.tensor_type.elem_type for info in infos}
    return types | {tensor.name: tensor.data_type for tensor in graph.initializer}


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "conditioned"])
def converted(request, networks):
    model = prepared(networks.residual_model(conditioned=request.param))
    return model, *convert_to_float16(model, {})


def test_operands_of_a_node_have_one_type(converted):
    _, half, _ = converted
    types = types_of(half)
    floats = {TensorProto.FLOAT, TensorProto.FLOAT16}
    for node in half.graph.node:
        if node.op_type != "Cast":
            assert len({types[name] for name in (*node.input, *node.output)} & floats) == 1, node.name


def test_inputs_and_outputs_keep_their_types(converted):
    model, half, _ = converted
    assert list(half.graph.input) == list(model.graph.input)
    assert [output.name for output in half.graph.output] == ["logits", "probabilities"]
    assert {output.type.tensor_type.elem_type for output in half.graph.output} == {TensorProto.FLOAT}


def test_convolutions_are_half_and_delicate_parts_are_not(converted):
    _, half, report = converted
    types = types_of(half)
    for node in half.graph.node:
        if node.op_type in ("Conv", "Gemm", "Relu", "Add"):
            assert types[node.output[0]] == TensorProto.FLOAT16, node.name
        if node.op_type in ("ReduceMean", "Softmax", "Sub", "Log"):
            assert types[node.output[0]] == TensorProto.FLOAT, node.name
    assert {"cast_float", "mul_scaled", "sub_normal", "reducemean_pooled", "softmax_probabilities"} <= set(
        report.float32_nodes
    )
    assert report.float16_nodes + len(report.float32_nodes) == len(converted[0].graph.node)


def test_each_edge_between_the_sides_has_one_cast(converted):
    model, half, _ = converted
    casts = Counter(node.op_type for node in half.graph.node)["Cast"]
    # uint8 to float; into the stem; into the mean and out of it; out of the logits; and the face size where it is read.
    assert casts == (6 if len(model.graph.input) == 2 else 5)
    weights = [tensor for tensor in half.graph.initializer if tensor.data_type == TensorProto.FLOAT]
    assert sum(numpy_helper.to_array(tensor).size for tensor in weights) <= 2  # those of the normalisation


def test_decisions_and_logits_stay(networks, noise, tmp_path):
    bundle = networks.write_residual_bundle(tmp_path / "bundle", conditioned=True)
    faces = CalibrationSet.draw(noise, bundle.manifest.preprocess, samples=48, sizes=(24, 12), seed=0)
    stored, report = export_float16(bundle, faces)
    assert report.agreement >= 0.98
    assert report.logits_sqnr_db > 45
    assert report.checked_on == faces.manifest
    assert report.overflowing == ()
    assert set(report.float32_nodes) <= set(report.largest)
    assert 1.0 < report.largest["conv_stem"] < 100.0
    assert stored.manifest.float16 == to_mapping(report)
    fp32, fp16 = (stored.manifest.artifacts[kind.value] for kind in (ArtifactKind.ONNX_FP32, ArtifactKind.ONNX_FP16))
    assert fp16.size_bytes < 0.85 * fp32.size_bytes


def test_without_faces_only_weights_are_checked(networks, tmp_path):
    stored, report = export_float16(networks.write_residual_bundle(tmp_path / "bundle"))
    assert stored.has(ArtifactKind.ONNX_FP16)
    assert report.checked_on is report.agreement is report.logits_sqnr_db is None
    assert report.largest == {}


def scaled_stem(networks, factor: float) -> onnx.ModelProto:
    """A network whose first convolution's result is larger by a factor, which the next one takes back."""
    model = networks.residual_model()
    for tensor in model.graph.initializer:
        power = {"stem.w": 1, "stem.b": 1, "a1.w": -1}.get(tensor.name, 0)
        values = numpy_helper.to_array(tensor) * np.float32(factor) ** power if power else None
        if values is not None:
            tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float32), tensor.name))
    return model


def test_activations_that_would_overflow_stay_in_float32(networks, noise, tmp_path):
    bundle = networks.write_residual_bundle(tmp_path / "bundle", model=scaled_stem(networks, 3e4))
    faces = CalibrationSet.draw(noise, bundle.manifest.preprocess, samples=24, sizes=(24,), seed=0)
    stored, report = export_float16(bundle, faces)
    assert {"conv_stem", "relu_stem_active", "conv_a1"} <= set(report.overflowing)
    assert report.agreement == 1.0
    assert 32_752 < report.largest["conv_stem"] < 1e7
    with OnnxRuntimeRunner(stored.artifact_path(ArtifactKind.ONNX_FP16)) as runner:
        logits = runner.infer({"faces": faces.faces})["logits"]
    assert np.isfinite(logits).all()


def test_overflow_that_was_not_looked_for_is_caught_by_the_comparison(networks, noise, tmp_path, monkeypatch):
    bundle = networks.write_residual_bundle(tmp_path / "bundle", model=scaled_stem(networks, 3e4))
    faces = CalibrationSet.draw(noise, bundle.manifest.preprocess, samples=24, sizes=(24,), seed=0)
    monkeypatch.setattr("fsrfer.export.float16.overflowing_nodes", lambda model, ranges: ())
    with pytest.raises(CheckFailedError, match="half-precision graph decides differently"):
        export_float16(bundle, faces)
    assert not type(bundle).load(bundle.path).has(ArtifactKind.ONNX_FP16)


def test_weights_that_would_overflow_stay_in_float32(networks):
    model = prepared(scaled_stem(networks, 1e6))
    assert "conv_stem" in overflowing_nodes(model, {})


def test_quantised_graphs_are_refused(networks):
    model = networks.residual_model()
    model.graph.node.insert(0, onnx.helper.make_node("QuantizeLinear", ["scale", "scale"], ["q"], name="q"))
    with pytest.raises(EngineBuildError, match="quantised graph"):
        convert_to_float16(model, {})
