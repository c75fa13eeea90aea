"""What a build would do, by the real parsers; nothing is written."""

from __future__ import annotations

import sys

import onnx
import pytest

from fsrfer.calibration import Int8Config, calibrate_int8
from fsrfer.core import ArtifactKind, Backend, Precision
from fsrfer.core.errors import EngineBuildError, MissingDependencyError
from fsrfer.core.gpu import first_gpu
from fsrfer.export.dry_run import dry_run
from fsrfer.export.engine_config import EngineBuildConfig
from fsrfer.runtime.engine_record import BatchProfile


@pytest.fixture(scope="module")
def rtx():
    return pytest.importorskip("tensorrt_rtx", reason="tensorrt-rtx is not installed")


@pytest.fixture(scope="module")
def bundle(networks, noise, tmp_path_factory):
    written = networks.write_residual_bundle(tmp_path_factory.mktemp("dry") / "bundle", conditioned=True)
    return calibrate_int8(written, noise, Int8Config(samples=24, held_out=12, sizes=(24, 12), min_agreement=0.5))


def files_of(bundle):
    return sorted(path for path in bundle.path.rglob("*"))


def test_tensorrt_reads_the_graph_that_it_would_compile(bundle, rtx):
    before = files_of(bundle)
    found = dry_run(bundle, EngineBuildConfig(Backend.TENSORRT_RTX, Precision.INT8, BatchProfile(1, 4, 8)))
    assert found.reading.parser == f"TensorRT-RTX {rtx.__version__}"
    assert found.unchecked == ""
    assert found.plan.engine.name == "tensorrt-rtx-int8-b1-4-8.engine"
    assert found.reading.inputs == {"faces": "uint8 (N, 3, 24, 24)", "face_size": "float (N)"}
    assert found.reading.profiles["faces"] == ((1, 3, 24, 24), (4, 3, 24, 24), (8, 3, 24, 24))
    assert found.reading.layers["convolution"] == 6
    nodes = onnx.load(bundle.artifact_path(ArtifactKind.ONNX_INT8_TENSORRT)).graph.node
    for kind, operator in (("quantize", "QuantizeLinear"), ("dequantize", "DequantizeLinear")):
        assert found.reading.layers[kind] == sum(node.op_type == operator for node in nodes)
    assert found.reading.number_formats["int8"] >= found.reading.layers["quantize"]
    assert files_of(bundle) == before


def test_what_tensorrt_would_refuse_is_refused_without_a_build(networks, rtx, tmp_path):
    model = networks.residual_model()
    relu = next(node for node in model.graph.node if node.op_type == "Relu")
    relu.op_type, relu.domain = "Wobble", "nobody"
    model.opset_import.append(onnx.helper.make_opsetid("nobody", 1))
    bundle = networks.write_residual_bundle(tmp_path / "bundle", model=networks.residual_model())
    bundle = bundle.store(ArtifactKind.ONNX_FP32, lambda path: onnx.save(model, path))
    with pytest.raises(EngineBuildError, match="Wobble relu_stem_active"):
        dry_run(bundle, EngineBuildConfig(Backend.TENSORRT_RTX))
    with pytest.raises(EngineBuildError, match=r"capability 8\.7"):
        dry_run(
            bundle.store(ArtifactKind.ONNX_FP32, lambda path: onnx.save(networks.residual_model(), path)),
            EngineBuildConfig(Backend.TENSORRT_RTX, compute_capabilities=("8.7",)),
        )


def test_onnx_runtime_reads_the_graph_for_cpus(bundle):
    found = dry_run(bundle, EngineBuildConfig(Backend.ONNXRUNTIME, Precision.INT8))
    assert found.reading.parser.startswith("ONNX Runtime ")
    assert found.graph.name == "model.int8-cpu.onnx"
    assert found.reading.profiles == {}
    assert found.reading.number_formats["int8"] == 6


TENSORRT = EngineBuildConfig(Backend.TENSORRT, Precision.INT8, BatchProfile(2, 4, 4))


@pytest.fixture
def no_gpu():
    if not isinstance(first_gpu(), str):
        pytest.skip("this machine has a GPU")


def test_in_the_stead_of_full_tensorrt_the_other_one_reads_the_graph_and_this_is_said(bundle, rtx, no_gpu):
    found = dry_run(bundle, TENSORRT)
    assert found.plan is None
    assert "an NVIDIA GPU with its driver" in found.unchecked
    assert found.reading.parser == f"TensorRT-RTX {rtx.__version__}"
    assert found.reading.profiles["face_size"] == ((2,), (4,), (4,))
    assert found.reading.layers["convolution"] == 6


def test_without_any_tensorrt_onnx_reads_the_graph_and_this_is_said(bundle, no_gpu, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorrt_rtx", None)
    found = dry_run(bundle, TENSORRT)
    assert found.plan is None
    assert "an NVIDIA GPU with its driver" in found.unchecked
    assert found.reading.parser.startswith("onnx ")
    assert found.graph.name == "model.int8.onnx"
    assert found.reading.profiles["face_size"] == ((2,), (4,), (4,))
    assert found.reading.layers["Conv"] == 6


def test_an_int8_engine_asks_for_onnx_before_it_is_built(bundle, rtx, tmp_path, monkeypatch):
    from fsrfer.export.tensorrt_api import TensorRtApi
    from fsrfer.export.tensorrt_compiler import TensorRtCompiler

    compiler = TensorRtCompiler(TensorRtApi(rtx, "no GPU"))
    config = EngineBuildConfig(Backend.TENSORRT_RTX, Precision.INT8, compute_capabilities=("8.6",))
    graph = bundle.artifact_path(ArtifactKind.ONNX_INT8_TENSORRT)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingDependencyError, match=r"fsrfer\[export\]"):
        compiler.compile(graph, tmp_path / "plan", config, None)
    assert not (tmp_path / "plan").exists()
