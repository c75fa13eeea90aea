"""bfloat16 graphs: exact types on every edge, the same decisions, and a real engine."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from fsrfer.calibration import CalibrationSet
from fsrfer.calibration.quantization_plan import prepared
from fsrfer.core import ArtifactKind
from fsrfer.core.errors import CheckFailedError, EngineBuildError, UsageError
from fsrfer.core.options import Backend, Precision
from fsrfer.datasets.procedural import LABELS, ProceduralFaces
from fsrfer.export.bfloat16 import OPSET, convert_to_bfloat16, export_bfloat16, rounded_like_bfloat16
from fsrfer.export.build_engine import build_engine
from fsrfer.export.engine_config import EngineBuildConfig
from fsrfer.export.forms import forms_of
from fsrfer.runtime import OnnxRuntimeRunner
from fsrfer.runtime.engine_record import BatchProfile


@pytest.fixture(scope="module")
def model(networks):
    return prepared(networks.residual_model(conditioned=True))


def types_of(model: onnx.ModelProto) -> dict[str, int]:
    graph = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    infos = [*graph.input, *graph.value_info, *graph.output]
    types = {info.name: info.type.tensor_type.elem_type for info in infos}
    return types | {tensor.name: tensor.data_type for tensor in graph.initializer}


def test_operands_of_a_node_have_one_type(model):
    converted, _ = convert_to_bfloat16(model)
    assert {entry.version for entry in converted.opset_import if entry.domain == ""} == {OPSET}
    types = types_of(converted)
    floats = {TensorProto.FLOAT, TensorProto.BFLOAT16}
    convolutions = 0
    for node in converted.graph.node:
        if node.op_type != "Cast":
            assert len({types[name] for name in (*node.input, *node.output)} & floats) == 1, node.name
        if node.op_type == "Conv":
            convolutions += 1
            assert types[node.output[0]] == TensorProto.BFLOAT16
    assert convolutions
    assert list(converted.graph.input) == list(model.graph.input)
    assert {output.type.tensor_type.elem_type for output in converted.graph.output} == {TensorProto.FLOAT}


def test_its_rounding_is_that_of_bfloat16(model):
    _, kept = convert_to_bfloat16(model)
    rounded = rounded_like_bfloat16(model, kept)
    bfloat16 = onnx.helper.tensor_dtype_to_np_dtype(TensorProto.BFLOAT16)
    read = {name for node in model.graph.node if node.name not in kept for name in node.input}
    checked = 0
    for tensor in rounded.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if tensor.name in read and values.dtype == np.float32:
            assert np.array_equal(values, values.astype(bfloat16).astype(np.float32))
            checked += 1
    assert checked
    feed = {"faces": np.random.default_rng(0).integers(0, 255, (3, 3, 24, 24), np.uint8)}
    feed["face_size"] = np.array([24, 16, 8], np.float32)
    with OnnxRuntimeRunner(model.SerializeToString()) as exact, OnnxRuntimeRunner(rounded.SerializeToString()) as other:
        error = np.abs(exact.infer(feed)["logits"] - other.infer(feed)["logits"]).max()
        scale = np.abs(exact.infer(feed)["logits"]).max()
    assert 1e-5 * scale < error < 0.1 * scale  # it rounds, and not much


@pytest.fixture
def bundle(make_bundle, tmp_path):
    return make_bundle(tmp_path / "bundle", LABELS, kinds=(ArtifactKind.ONNX_FP32,))


def test_decisions_are_compared_and_the_graph_is_stored(bundle):
    valid = ProceduralFaces("valid")
    faces = CalibrationSet.draw(valid, bundle.manifest.preprocess, samples=32, sizes=(24, 12), seed=0)
    stored, report = export_bfloat16(bundle, faces)
    assert stored.has(ArtifactKind.ONNX_BF16)
    assert report.agreement >= 0.98
    assert 20 < report.logits_sqnr_db < 60
    assert report.checked_on.samples == 32
    names = [form.name for form in forms_of(stored)]
    assert "ONNX BF16 (its rounding, in FP32)" in names
    (form,) = (form for form in forms_of(stored) if form.precision is Precision.BF16)
    with form.open() as classify:
        assert np.isfinite(classify(faces.faces[:8], faces.face_size_px[:8])).all()


def test_a_model_that_it_harms_is_refused(bundle, monkeypatch):
    faces = CalibrationSet.draw(ProceduralFaces("valid"), bundle.manifest.preprocess, samples=8, sizes=(24,), seed=0)
    monkeypatch.setattr("fsrfer.export.half_comparison.MIN_AGREEMENT", 1.1)
    with pytest.raises(CheckFailedError, match="bfloat16 decides differently"):
        export_bfloat16(bundle, faces)
    assert not bundle.has(ArtifactKind.ONNX_BF16)


def test_a_quantised_graph_is_refused(model):
    broken = onnx.ModelProto()
    broken.CopyFrom(model)
    broken.graph.node[0].op_type = "QuantizeLinear"
    with pytest.raises(EngineBuildError, match="quantised"):
        convert_to_bfloat16(broken)


def test_a_real_engine_is_built(bundle):
    stored, _ = export_bfloat16(bundle)
    config = EngineBuildConfig(
        Backend.TENSORRT_RTX, Precision.BF16, BatchProfile(1, 4, 8), compute_capabilities=("8.6",)
    )
    record = build_engine(stored, config)
    assert record.precision is Precision.BF16
    assert record.source is ArtifactKind.ONNX_BF16


@pytest.mark.parametrize("options", [{"backend": Backend.ONNXRUNTIME}, {"backend": Backend.TENSORRT, "dla_core": 0}])
def test_where_it_cannot_run_it_is_refused(options):
    with pytest.raises(UsageError, match="BF16"):
        EngineBuildConfig(precision=Precision.BF16, **options)
