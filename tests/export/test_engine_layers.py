"""What TensorRT's log says about an engine."""

from __future__ import annotations

import json

import onnx
import pytest

from fsrfer.calibration import Int8Config, calibrate_int8
from fsrfer.core import ArtifactKind, Backend, Precision
from fsrfer.export.build_engine import build_engine, layers_path
from fsrfer.export.engine_config import EngineBuildConfig
from fsrfer.export.engine_layers import account_for_int8, parse_layers
from fsrfer.export.float16 import export_float16

LINE = (
    "Name: backbone.stem.0_myl0_10, LayerType: correlation, Inputs: [ { Name: a, Dimensions: [-1,16,48,48], "
    "Strides: [36864,1], Datatype: Int8, Format: (NHWC) Channel major format }], Constants: [ { Name: w, "
    "Dimensions: [32,16,3,3], Datatype: Int8, Format: x }, { Name: b, Dimensions: [1,32,1,1], Datatype: Float, "
    "Format: x }], Outputs: [ { Name: o, Dimensions: [-1,32,24,24], Datatype: Half, Format: x }], TacticName: t, "
    "Metadata: [ONNX Layer: backbone.stem.0][ONNX Layer: relu_DequantizeLinear][ONNX Layer: backbone.stem.0]"
)


def test_a_line_of_the_log_is_read():
    (layer,) = parse_layers(["Engine generation completed.", LINE, ""])
    assert layer.name == "backbone.stem.0_myl0_10"
    assert layer.kind == "correlation"
    assert (layer.input_types, layer.weight_types, layer.output_types) == (("Int8",), ("Int8", "Float"), ("Half",))
    assert layer.nodes == ("backbone.stem.0", "relu_DequantizeLinear")


def test_a_layer_without_tensors_is_read():
    (layer,) = parse_layers(["Name: s_0, LayerType: shape_call, Inputs: [], Constants: [], Outputs: [], TacticName: "])
    assert (layer.input_types, layer.weight_types, layer.output_types, layer.nodes) == ((), (), (), ())


@pytest.fixture(scope="module")
def whole(networks, noise, tmp_path_factory):
    pytest.importorskip("tensorrt_rtx", reason="tensorrt-rtx is not installed")
    bundle = networks.write_residual_bundle(tmp_path_factory.mktemp("layers") / "bundle", conditioned=True)
    config = Int8Config(samples=24, held_out=12, sizes=(24, 12), min_agreement=0.5)
    return export_float16(calibrate_int8(bundle, noise, config))[0]


def test_a_real_int8_engine_computes_in_int8_and_accounts_for_every_quantising_node(whole):
    record = build_engine(whole, EngineBuildConfig(Backend.TENSORRT_RTX, Precision.INT8, compute_capabilities=("8.6",)))
    assert len(record.int8_layers) == 6
    assert "conv_stem" in record.int8_layers
    assert record.not_int8_layers == ()
    assert record.unaccounted == ()
    engine = whole.path / "engines" / record.file
    assert layers_path(engine).stat().st_size > 1000


def test_layers_kept_in_float_are_float_in_a_real_engine(networks, noise, tmp_path):
    """A mixed graph, as --keep-fp32 makes it."""
    pytest.importorskip("tensorrt_rtx", reason="tensorrt-rtx is not installed")
    bundle = networks.write_residual_bundle(tmp_path / "bundle", conditioned=True)
    config = Int8Config(samples=24, held_out=12, sizes=(24, 12), min_agreement=0.5, keep_float=("conv_a1", "conv_b2"))
    mixed = calibrate_int8(bundle, noise, config)
    record = build_engine(mixed, EngineBuildConfig(Backend.TENSORRT_RTX, Precision.INT8, compute_capabilities=("8.6",)))
    assert set(record.int8_layers) == {"conv_stem", "conv_a2", "conv_b1", "conv_b_shortcut"}
    assert (record.not_int8_layers, record.unaccounted) == ((), ())
    path = layers_path(mixed.path / "engines" / record.file)
    kept = [layer for layer in json.loads(path.read_text())["layers"] if {"conv_a1", "conv_b2"} & set(layer["nodes"])]
    assert {name for layer in kept for name in layer["nodes"]} >= {"conv_a1", "conv_b2"}
    assert all("Int8" not in layer["weight_types"] for layer in kept)


def test_a_real_fp32_engine_is_told_apart(whole):
    """The same account of an engine that was built from the FP32 graph: nothing is in INT8."""
    build_engine(whole, EngineBuildConfig(Backend.TENSORRT_RTX, Precision.FP32, compute_capabilities=("8.6",)))
    path = next((whole.path / "engines").glob("*fp32*.layers"))
    layers = json.loads(path.read_text())["layers"]
    assert layers
    assert not any("Int8" in layer["input_types"] for layer in layers)
    account = account_for_int8(onnx.load(whole.artifact_path(ArtifactKind.ONNX_INT8_TENSORRT)), ())
    assert len(account.not_int8) == 6
    assert account.int8 == ()
    assert len(account.unaccounted) > 12
