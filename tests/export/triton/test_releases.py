"""Containers for engines and graphs."""

from __future__ import annotations

import pytest

from fsrfer.export.triton.releases import SUPPORT_MATRIX, onnx_release, tensorrt_release


@pytest.mark.parametrize(("version", "release"), [("10.0.1.6", "24.05"), ("10.3.0", "24.08")])
def test_the_container_of_a_known_tensorrt_is_named(version, release):
    assert tensorrt_release(version, is_compatible=False) == f"`nvcr.io/nvidia/tritonserver:{release}-py3`"
    later = tensorrt_release(version, is_compatible=True)
    assert "or a later one whose TensorRT is a 10.x" in later


@pytest.mark.parametrize("version", ["8.6.1", "10.13.3.9", "11.0", "11"])
def test_others_are_left_to_nvidias_matrix(version):
    assert SUPPORT_MATRIX in tensorrt_release(version, is_compatible=False)
    assert f"whose TensorRT is {version};" in tensorrt_release(version, is_compatible=True)


@pytest.mark.parametrize(
    ("opset", "ir_version", "said"),
    [(17, 8, "24.04-py3"), (20, 9, "24.04-py3"), (17, 10, "24.05-py3"), (21, 10, "24.05-py3"), (22, 10, "reads that")],
)
def test_the_first_container_that_reads_a_graph_is_named(opset, ir_version, said):
    assert said in onnx_release(opset, ir_version)
