"""What is said about a graph, against a count by hand."""

from __future__ import annotations

import onnx
import pytest

from fsrfer.core import ArtifactKind, Backend, ModelBundle
from fsrfer.core.errors import EngineBuildError
from fsrfer.export.build_engine import build_engine
from fsrfer.export.engine_config import EngineBuildConfig
from fsrfer.export.float16 import export_float16
from fsrfer.export.inspect_graph import describe_graph
from fsrfer.runtime.shipped import default_bundle_path


def test_tensors_operators_and_cost_are_counted(networks, tmp_path):
    onnx.save(networks.residual_model(), tmp_path / "model.onnx")
    found = describe_graph(tmp_path / "model.onnx")
    assert found.inputs == {"faces": "uint8 (N, 3, 24, 24)"}
    assert found.outputs == {"logits": "float32 (N, 4)", "probabilities": "float32 (N, 4)"}
    assert (found.opset, found.ir_version) == (18, 9)
    assert found.operators["Conv"] == 6
    full, halved = 24 * 24, 12 * 12
    by_name = {node.name: node.macs for node in found.weighted_nodes}
    assert by_name["conv_stem"] == 8 * 3 * 9 * full
    assert by_name["conv_b_shortcut"] == 16 * 8 * halved
    assert by_name["gemm_logits"] == 16 * 4
    assert found.macs == sum(by_name.values())
    assert {node.number_format for node in found.weighted_nodes} == {"float32"}


def test_number_formats_are_seen(networks, tmp_path):
    bundle, _ = export_float16(networks.write_residual_bundle(tmp_path / "bundle"))
    found = describe_graph(bundle.artifact_path(ArtifactKind.ONNX_FP16))
    assert {node.number_format for node in found.weighted_nodes} == {"float16"}


def test_optimised_graphs_have_no_known_cost(networks, tmp_path):
    bundle = networks.write_residual_bundle(tmp_path / "bundle")
    record = build_engine(bundle, EngineBuildConfig(Backend.ONNXRUNTIME))
    found = describe_graph(bundle.path / "engines" / record.file)
    assert found.macs is None
    assert found.weighted_nodes


@pytest.mark.parametrize("content", [b"no graph", b"\xff\xff"])
def test_other_files_are_refused(content, tmp_path):
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(EngineBuildError, match="not an ONNX graph"):
        describe_graph(tmp_path / "model.onnx")


def test_all_views_of_a_face_are_counted():
    """The shipped model looks at each face and at its mirror image; PyTorch counted the same in training."""
    bundle = ModelBundle.load(default_bundle_path())
    found = describe_graph(bundle.artifact_path(ArtifactKind.ONNX_FP32))
    assert bundle.manifest.architecture["mirrored"]
    assert found.macs == bundle.manifest.metrics["cost"]["macs"]
