"""Which nodes are quantised."""

from __future__ import annotations

import pytest

from fsrfer.calibration.quantization_plan import plan_quantization, prepared
from fsrfer.core.errors import CalibrationError


@pytest.fixture(scope="module")
def conditioned(networks):
    return prepared(networks.residual_model(conditioned=True))


def test_what_works_on_feature_maps_is_quantised_and_nothing_else(conditioned):
    plan = plan_quantization(conditioned)
    assert set(plan.compute) == {f"conv_{name}" for name in ("stem", "a1", "a2", "b1", "b2", "b_shortcut")}
    assert set(plan.elementwise) == {
        *(f"relu_{name}" for name in ("stem_active", "a1_active", "a_out", "b1_active", "b_out")),
        *("add_a_sum", "add_b_sum", "add_film_out", "mul_film_scaled"),
    }
    assert plan.kept_float == ()


def test_shortcuts_are_what_a_convolution_reads_or_the_lighter_branch(conditioned):
    assert plan_quantization(conditioned).residual_skips == ("stem_active", "b_shortcut")


def test_patterns_keep_nodes_in_float(conditioned):
    plan = plan_quantization(conditioned, ["^conv_b", "add_b_sum"])
    assert set(plan.compute) == {"conv_stem", "conv_a1", "conv_a2"}
    assert set(plan.kept_float) == {"conv_b1", "conv_b2", "conv_b_shortcut"}
    assert plan.residual_skips == ("stem_active",)


def test_a_pattern_that_matches_nothing_is_refused(conditioned):
    with pytest.raises(CalibrationError, match="no node's name matches"):
        plan_quantization(conditioned, ["^conv_", "^generator"])


def test_a_plan_that_quantises_nothing_is_refused(conditioned):
    with pytest.raises(CalibrationError, match="nothing to quantise"):
        plan_quantization(conditioned, ["^conv_"])


def test_nodes_without_names_get_different_ones(networks):
    model = networks.residual_model()
    for node in model.graph.node:
        node.name = ""
    model.graph.node[3].name = "Relu_4"
    names = [node.name for node in prepared(model).graph.node]
    assert all(names)
    assert len(set(names)) == len(names)
    assert model.graph.node[0].name == ""  # the original is left alone
