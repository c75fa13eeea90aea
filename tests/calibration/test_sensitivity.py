"""Which layers INT8 harms."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from fsrfer.calibration import CalibrationSet, Int8Config
from fsrfer.calibration.int8_builder import INT8_KINDS, Int8Builder
from fsrfer.calibration.sensitivity import divergence, rank_layers
from fsrfer.calibration.sensitivity_plot import draw_sensitivity
from fsrfer.core import ArtifactKind, GraphSpec, PreprocessSpec
from fsrfer.core.roles import Role, role_of

SPEC = PreprocessSpec(height=24, width=24)


@pytest.fixture(scope="module")
def faces(noise):
    return CalibrationSet.draw(noise, SPEC, samples=40, sizes=(24, 12), seed=0)


def with_a_wild_channel(model: onnx.ModelProto) -> onnx.ModelProto:
    """Give one output channel of a convolution a scale that leaves the others few levels."""
    for tensor in model.graph.initializer:
        if tensor.name in ("a1.w", "a1.b"):
            values = numpy_helper.to_array(tensor).copy()
            values[0] *= 3000
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
        if tensor.name == "a2.w":
            values = numpy_helper.to_array(tensor).copy()
            values[:, 0] /= 3000
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    return model


@pytest.mark.parametrize("kind", INT8_KINDS)
def test_the_layer_that_suffers_is_found(networks, faces, kind):
    """What reads an activation with one wild channel loses all the others."""
    builder = Int8Builder.measured(
        with_a_wild_channel(networks.residual_model()), GraphSpec(), faces, Int8Config(samples=40, sizes=(24, 12))
    )
    seen = []
    ranking = rank_layers(builder, kind, GraphSpec(), faces, lambda done, total: seen.append((done, total)))
    suspects = {"conv_a1", "conv_a2"}  # the activation between them
    assert ranking[0].name in suspects
    assert list(ranking[0].damage_by_size) == ["24", "12"]
    assert ranking[0].worst > 3 * next(layer.worst for layer in ranking if layer.name not in suspects)
    assert seen[-1] == (len(ranking), len(ranking))
    assert next(layer for layer in ranking if layer.name == "conv_b2").parameters == 16 * 16 * 9


def test_divergence_is_that_of_the_textbook():
    p = np.array([[0.5, 0.5], [1.0, 0.0]], np.float32)
    q = np.array([[0.25, 0.75], [1.0, 0.0]], np.float32)
    assert divergence(p, q) == pytest.approx([0.5 * np.log(2) + 0.5 * np.log(2 / 3), 0.0])
    assert np.isfinite(divergence(p, np.array([[0.0, 1.0], [0.0, 1.0]], np.float32))).all()


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("backbone.stages.1.0.body.3", Role.BACKBONE),
        ("generator.leave", Role.GENERATOR),
        ("classifier.predict", Role.CLASSIFIER),
        ("normalize.mul", Role.OTHER),
        ("node_conv2d_3", Role.OTHER),
        ("", Role.OTHER),
    ],
)
def test_roles_follow_from_names(name, role):
    assert role_of(name) is role


def test_the_picture_is_drawn(networks, faces, tmp_path):
    builder = Int8Builder.measured(
        networks.residual_model(), GraphSpec(), faces, Int8Config(samples=40, sizes=(24, 12))
    )
    ranking = rank_layers(builder, ArtifactKind.ONNX_INT8_CPU, GraphSpec(), faces)
    draw_sensitivity(ranking, {ranking[0].name}, tmp_path / "sensitivity.png")
    assert (tmp_path / "sensitivity.png").stat().st_size > 10_000
