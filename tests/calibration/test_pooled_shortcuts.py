"""Pooling merged into 1x1 convolutions: the same numbers by fewer operators."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import pytest
from onnx import helper

from fsrfer.calibration import Int8Config, calibrate_int8
from fsrfer.calibration.pooled_shortcuts import merge_pooled_shortcuts
from fsrfer.core import ArtifactKind
from fsrfer.runtime import OnnxRuntimeRunner


@pytest.fixture
def pooled(networks) -> onnx.ModelProto:
    return networks.residual_model(pooled=True)


def logits(model: onnx.ModelProto) -> np.ndarray:
    faces = np.random.default_rng(0).integers(0, 256, (6, 3, 24, 24), dtype=np.uint8)
    with OnnxRuntimeRunner(model.SerializeToString()) as runner:
        return runner.infer({"faces": faces})["logits"]


def operators(model: onnx.ModelProto) -> Counter:
    return Counter(node.op_type for node in model.graph.node)


def test_the_merged_graph_computes_the_same(pooled):
    before = pooled.SerializeToString()
    merged = merge_pooled_shortcuts(pooled)
    onnx.checker.check_model(merged, full_check=True)
    assert operators(merged) == operators(pooled) - Counter(["AveragePool"])
    assert np.allclose(logits(merged), logits(pooled), atol=1e-5)
    names = {tensor.name for tensor in merged.graph.initializer}
    assert "b_shortcut.w" not in names
    assert pooled.SerializeToString() == before


def pool_of(model: onnx.ModelProto) -> onnx.NodeProto:
    return next(node for node in model.graph.node if node.op_type == "AveragePool")


def set_attribute(node: onnx.NodeProto, name: str, value: object) -> None:
    kept = [attribute for attribute in node.attribute if attribute.name != name]
    del node.attribute[:]
    node.attribute.extend([*kept, helper.make_attribute(name, value)])


@pytest.mark.parametrize(
    ("name", "value"),
    [("strides", [1, 1]), ("pads", [1, 1, 1, 1]), ("ceil_mode", 1), ("auto_pad", "SAME_UPPER")],
)
def test_other_pooling_is_left_alone(pooled, name, value):
    set_attribute(pool_of(pooled), name, value)
    assert operators(merge_pooled_shortcuts(pooled))["AveragePool"] == 1


def test_pooling_that_others_read_too_is_left_alone(pooled):
    pooled.graph.output.append(helper.make_tensor_value_info("b_pooled", onnx.TensorProto.FLOAT, None))
    assert operators(merge_pooled_shortcuts(pooled))["AveragePool"] == 1


def test_a_wider_convolution_is_left_alone(networks, pooled):
    shortcut = next(node for node in pooled.graph.node if node.name == "conv_b_shortcut")
    set_attribute(shortcut, "group", 2)
    assert operators(merge_pooled_shortcuts(pooled))["AveragePool"] == 1


def test_int8_graphs_have_no_pooling_left(networks, pooled, noise, tmp_path):
    bundle = networks.write_residual_bundle(tmp_path / "bundle", model=pooled)
    config = Int8Config(samples=48, held_out=24, sizes=(24, 12), min_agreement=0.7)
    stored = calibrate_int8(bundle, noise, config)
    for kind in (ArtifactKind.ONNX_INT8_CPU, ArtifactKind.ONNX_INT8_TENSORRT):
        assert operators(onnx.load(stored.artifact_path(kind)))["AveragePool"] == 0
    assert operators(onnx.load(stored.artifact_path(ArtifactKind.ONNX_FP32)))["AveragePool"] == 1
