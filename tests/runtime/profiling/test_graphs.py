"""Which graphs are measured, by what runs them."""

from __future__ import annotations

import pytest

from fsrfer.core import ArtifactKind, Precision
from fsrfer.core.errors import BundleError, UsageError
from fsrfer.core.options import Provider
from fsrfer.runtime.profiling.graphs import choose_precisions, describe_graph

ALL = (
    ArtifactKind.ONNX_FP32,
    ArtifactKind.ONNX_FP16,
    ArtifactKind.ONNX_INT8_CPU,
    ArtifactKind.ONNX_INT8_TENSORRT,
)


@pytest.fixture(scope="module")
def bundle(make_bundle, tmp_path_factory):
    calibration = {"cpu": {"agreement": 0.9}, "tensorrt": {"agreement": 0.8}}
    return make_bundle(tmp_path_factory.mktemp("bundle"), kinds=ALL).record(calibration=calibration)


def test_half_precision_is_for_gpus(bundle):
    on_cpu, skipped = choose_precisions(bundle, ())
    assert on_cpu == (Precision.FP32, Precision.INT8)
    assert [one.precision for one in skipped] == [Precision.FP16]
    on_gpu, skipped = choose_precisions(bundle, (), Provider.CUDA)
    assert on_gpu == (Precision.FP32, Precision.FP16, Precision.INT8)
    assert skipped == ()
    assert choose_precisions(bundle, (Precision.FP16,), Provider.TENSORRT)[0] == (Precision.FP16,)
    with pytest.raises(UsageError, match="--provider"):
        choose_precisions(bundle, (Precision.FP16,))


def test_int8_of_a_gpu_is_the_graph_for_tensorrt(bundle):
    for name, kind, agreement in (
        ("CPUExecutionProvider", ArtifactKind.ONNX_INT8_CPU, 0.9),
        ("TensorrtExecutionProvider", ArtifactKind.ONNX_INT8_TENSORRT, 0.8),
    ):
        graph = describe_graph(bundle, Precision.INT8, name)
        assert (graph.kind, graph.agreement_with_fp32) == (kind.value, agreement)
        assert graph.sha256 == bundle.manifest.artifacts[kind.value].sha256


def test_a_bundle_for_cpus_alone_has_int8_for_no_gpu(make_bundle, tmp_path):
    bundle = make_bundle(tmp_path, kinds=(ArtifactKind.ONNX_INT8_CPU,))
    with pytest.raises(BundleError, match="no graph for CUDAExecutionProvider"):
        choose_precisions(bundle, (), Provider.CUDA)
