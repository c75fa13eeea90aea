"""What the real Triton server says to exported repositories."""

from __future__ import annotations

import time

import pytest

from fsrfer.core import Precision
from fsrfer.export.triton import TritonBackend, TritonOptions, export_repository

TOLERANT = ("--exit-on-error=false", "--strict-readiness=false")


def log_until(server, log, *words, timeout_s=60.0):
    """Start a server and return its log once it holds all words."""
    server.start(wait=False)
    deadline_s = time.monotonic() + timeout_s
    try:
        while not all(word in (text := log.read_text(errors="replace")) for word in words):
            assert time.monotonic() < deadline_s, text[-4000:]
            time.sleep(0.05)
    finally:
        server.kill()
    return text


def test_all_variants_are_accepted(bundle, with_engine, triton_server, tmp_path):
    repository = tmp_path / "repository"
    with_engine(bundle)
    variants = {
        "cpu": TritonOptions(name="cpu"),
        "cpu-int8": TritonOptions(name="cpu-int8", precision=Precision.INT8, threads=1, instances=2),
        **{
            f"onnx-{precision.value}": TritonOptions(
                name=f"onnx-{precision.value}", backend=TritonBackend.ONNXRUNTIME, precision=precision
            )
            for precision in (Precision.FP32, Precision.FP16, Precision.INT8)
        },
        "plan": TritonOptions(name="plan", backend=TritonBackend.TENSORRT, precision=Precision.FP16),
    }
    for options in variants.values():
        export_repository(bundle, repository, options)
    log = tmp_path / "log"
    server = triton_server.TritonServer(repository, TOLERANT, log=log)
    text = log_until(server, log, "Started GRPCInferenceService")
    # Configurations are checked before the backend is looked for; this server has the Python backend alone.
    for name in ("cpu", "cpu-int8"):
        assert f"successfully loaded '{name}'" in text
    for name, backend in (*((f"onnx-{one}", "onnxruntime") for one in ("fp32", "fp16", "int8")), ("plan", "tensorrt")):
        said = [line for line in text.splitlines() if f"failed to load '{name}'" in line]
        assert said
        assert any(f"unable to find backend library for backend '{backend}'" in line for line in said)
    assert "Poll failed" not in text


def test_a_wrong_configuration_is_told_apart(bundle, triton_server, tmp_path):
    export_repository(bundle, tmp_path / "r", TritonOptions(backend=TritonBackend.ONNXRUNTIME))
    config = tmp_path / "r" / "tiny" / "config.pbtxt"
    text = config.read_text()
    config.write_text(text.replace("dynamic_batching {", "dynamic_batching {\n  preferred_batch_size: 128"))
    assert config.read_text() != text
    log = tmp_path / "log"
    said = log_until(triton_server.TritonServer(tmp_path / "r", TOLERANT, log=log), log, "Poll failed")
    assert "preferred size must be <= max batch size" in said


def test_another_graph_in_its_place_is_refused_by_the_server(bundle, triton_server, tmp_path, make_bundle):
    export_repository(bundle, tmp_path / "r")
    other = make_bundle(tmp_path / "other", conditioned=True, seed=1)
    (tmp_path / "r" / "tiny" / "1" / "model.onnx").write_bytes((other.path / "model.onnx").read_bytes())
    with pytest.raises(RuntimeError, match="failed to load all models"):
        triton_server.TritonServer(tmp_path / "r", log=tmp_path / "log").start()
    assert "model.onnx is not the graph that was exported" in (tmp_path / "log").read_text()
