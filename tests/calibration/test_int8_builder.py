"""Any choice of layers from ranges that were measured once."""

from __future__ import annotations

import numpy as np
import pytest

from fsrfer.calibration import CalibrationSet, Int8Config
from fsrfer.calibration.int8_builder import INT8_KINDS, Int8Builder
from fsrfer.calibration.quantization_report import logits_of, quantized_nodes, sqnr_db
from fsrfer.core import ArtifactKind, ColorMode, GraphSpec, PreprocessSpec
from fsrfer.datasets import InMemoryFaces
from fsrfer.runtime import OnnxRuntimeRunner

NAMES = GraphSpec(face_size_input="face_size")
CPU, TENSORRT = ArtifactKind.ONNX_INT8_CPU, ArtifactKind.ONNX_INT8_TENSORRT


@pytest.fixture(scope="module")
def faces(noise):
    return CalibrationSet.draw(noise, PreprocessSpec(height=24, width=24), samples=40, sizes=(24, 12), seed=0)


@pytest.fixture(scope="module")
def builder(networks, faces):
    model = networks.residual_model(conditioned=True)
    return Int8Builder.measured(model, NAMES, faces, Int8Config(samples=40, sizes=(24, 12)))


def logits(model, faces):
    with OnnxRuntimeRunner(model.SerializeToString()) as runner:
        return logits_of(runner, NAMES, faces)


@pytest.mark.parametrize("kind", INT8_KINDS)
def test_everything_is_quantised_unless_it_is_kept(builder, kind):
    assert len(quantized_nodes(builder.build(kind))[0]) == 6
    kept = quantized_nodes(builder.build(kind, {"conv_a1", "conv_b2"}))[1]
    assert {"conv_a1", "conv_b2"} <= set(kept)


@pytest.mark.parametrize(("kind", "is_kept"), [(CPU, True), (TENSORRT, False)])
def test_a_first_convolution_of_few_products_stays_in_float_on_cpus(networks, kind, is_kept):
    rng = np.random.default_rng(0)
    grey = InMemoryFaces(
        name="grey",
        split="train",
        labels=("neutral", "happiness"),
        images=rng.integers(0, 256, (40, 24, 24), dtype=np.uint8),
        label_indices=np.arange(40) % 2,
        sample_ids=[str(number) for number in range(40)],
    )
    spec = PreprocessSpec(height=24, width=24, color=ColorMode.GRAY)
    drawn = CalibrationSet.draw(grey, spec, samples=40, sizes=(24, 12), seed=0)
    model = networks.residual_model(channels=1)
    whole = Int8Builder.measured(model, GraphSpec(), drawn, Int8Config(samples=40, sizes=(24, 12)))
    quantized, kept = quantized_nodes(whole.build(kind))
    assert ("conv_stem" in kept) is is_kept
    assert ("conv_stem" in whole.layers(kind)) is not is_kept
    assert {"conv_a1", "conv_a2", "conv_b1", "conv_b2", "conv_b_shortcut"} <= set(quantized)


@pytest.mark.parametrize("kind", INT8_KINDS)
def test_one_layer_alone(builder, kind):
    assert quantized_nodes(builder.build_only(kind, "conv_b1"))[0] == ["conv_b1"]


@pytest.mark.parametrize("kind", INT8_KINDS)
def test_fewer_layers_in_int8_are_nearer_to_floating_point(builder, faces, kind):
    reference = logits(builder.model, faces)
    whole = sqnr_db(reference, logits(builder.build(kind), faces))
    one = sqnr_db(reference, logits(builder.build_only(kind, "conv_b2"), faces))
    assert 15 < whole < one


@pytest.mark.parametrize("kind", INT8_KINDS)
def test_with_everything_kept_it_is_the_floating_point_graph(builder, faces, kind):
    kept = builder.build(kind, builder.layers(kind))
    assert not [node for node in kept.graph.node if node.op_type == "QuantizeLinear"]
    np.testing.assert_array_equal(logits(kept, faces), logits(builder.model, faces))


def test_what_stands_between_layers_can_be_chosen_for_cpus_only(builder):
    assert "add_a_sum" in builder.layers(CPU)
    assert "add_a_sum" not in builder.layers(TENSORRT)
    assert not any(name.startswith("relu") for name in builder.layers(CPU))


def test_a_relu_follows_what_it_reads(builder):
    written = {node.name: node for node in builder.build(CPU, {"add_b_sum"}).graph.node}
    assert "relu_b_out" in written  # else it vanishes into the range of what precedes it


def test_what_stays_in_float_whatever_is_chosen(networks, faces):
    config = Int8Config(samples=40, sizes=(24, 12), keep_float=("^conv_stem$",))
    built = Int8Builder.measured(networks.residual_model(conditioned=True), NAMES, faces, config)
    assert "conv_stem" not in built.layers(CPU)
    assert "conv_stem" in quantized_nodes(built.build(CPU))[1]
