"""Names of layers as a person says them."""

from __future__ import annotations

import pytest

from fsrfer.export.layers.names import computes_int8, human_name, kind_of, role_of
from fsrfer.runtime.profiling.layer_report import LayerKind, LayerRole


@pytest.mark.parametrize(
    ("node", "name"),
    [
        ("backbone.stem.0", "backbone stem"),
        ("backbone.stages.2.0.body.0", "backbone stage 3 block 1 conv 1"),
        ("backbone.stages.0.1.body.3", "backbone stage 1 block 2 conv 2"),
        ("backbone.stages.1.0.skip.1", "backbone stage 2 block 1 skip"),
        ("backbone.modulation.layers.2", "backbone modulation layer 3"),
        ("backbone.mul_2", "backbone mul 2"),
        ("generator.blocks.1.0", "generator block 2"),
        ("generator.trunk.0.blocks.1.convolutions.4", "generator trunk 1 block 2 conv 5"),
        ("generator.enter.0", "generator enter"),
        ("classifier.embed.0", "classifier embed"),
        ("classifier.predict", "classifier predict"),
        ("normalize.cast", "normalise cast"),
        ("softmax", "softmax"),
    ],
)
def test_modules_are_counted_from_one(node, name):
    assert human_name(node) == name


@pytest.mark.parametrize(
    ("node", "operator", "role"),
    [
        ("normalize.mul", "Mul", LayerRole.NORMALIZE),
        ("backbone.stages.0.0.body.0", "QLinearConv", LayerRole.BACKBONE),
        ("backbone.modulation.layers.0", "FusedGemm", LayerRole.SIZE_CONDITION),
        ("generator.modulation.log", "Log", LayerRole.SIZE_CONDITION),
        ("generator.blocks.0.0", "Conv", LayerRole.GENERATOR),
        ("classifier.predict", "Gemm", LayerRole.CLASSIFIER),
        ("relu_21_DequantizeLinear", "DequantizeLinear", LayerRole.QUANTIZE),
        (None, "ReorderOutput", LayerRole.LAYOUT),
        (None, "Transpose", LayerRole.LAYOUT),
        ("softmax", "Softmax", LayerRole.OTHER),
        (None, "Mystery", LayerRole.OTHER),
    ],
)
def test_every_layer_has_a_part_of_the_network(node, operator, role):
    assert role_of(node, kind_of(operator)) is role


def test_kinds_are_those_of_the_operators():
    assert kind_of("NhwcFusedConv") is LayerKind.CONVOLUTION
    assert kind_of("FusedGemm") is LayerKind.DENSE
    assert kind_of("Mystery") is LayerKind.OTHER
    assert computes_int8("QLinearConv")
    assert not computes_int8("QuantizeLinear")
