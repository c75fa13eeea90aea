"""From executed nodes back to those of the graph."""

from __future__ import annotations

import onnx
import pytest

from fsrfer.export.layers.origins import SourceGraph


@pytest.fixture(scope="module")
def graph(networks, tmp_path_factory):
    path = tmp_path_factory.mktemp("graph") / "model.onnx"
    onnx.save(networks.residual_model(pooled=True), path)
    return SourceGraph(path)


@pytest.mark.parametrize(
    ("executed", "operator", "node"),
    [
        ("conv_stem", "Conv", "conv_stem"),
        ("conv_stem_token_7", "QLinearConv", "conv_stem"),
        ("fused gemm_logits", "FusedGemm", "gemm_logits"),
        ("stem_nchwc", "Conv", "conv_stem"),  # named after its own tensor
        ("stem_active_nchwc", "Conv", "conv_stem"),  # after that of the activation that became part of it
        ("a_out_nchwc", "Conv", "conv_a2"),  # an addition and its activation did
        ("b_pooled_nchwc", "AveragePool", "averagepool_b_pooled"),
        ("softmax_probabilities", "Softmax", "softmax_probabilities"),
    ],
)
def test_what_was_renamed_is_found(graph, executed, operator, node):
    assert graph.origin_of(executed, operator).name == node


@pytest.mark.parametrize("executed", ["ReorderOutput_token_54", "Transpose", "relu_99_nchwc"])
def test_what_was_added_has_no_origin(graph, executed):
    assert graph.origin_of(executed, "ReorderOutput") is None


def test_cost_and_weights_are_those_of_one_face(graph):
    stem = graph.origin_of("conv_stem", "Conv")
    assert stem.macs == 8 * 3 * 9 * 24 * 24
    assert stem.weight_bytes == 4 * 8 * 3 * 9
    assert graph.origin_of("softmax_probabilities", "Softmax").macs == 0
