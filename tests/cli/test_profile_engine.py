"""``fsrfer-profile engine`` under the emulation of CUDA and TensorRT, and where there is no GPU."""

from __future__ import annotations

import gc
import importlib.util
import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fsrfer.cli.profile import app
from fsrfer.core import ArtifactKind, Backend, Precision
from fsrfer.core.errors import BackendUnavailableError, UsageError
from fsrfer.core.files import sha256_of_bytes
from fsrfer.core.gpu import Gpu, first_gpu
from fsrfer.runtime import opening
from fsrfer.runtime.cuda import Cuda
from fsrfer.runtime.engine_record import BatchProfile, EngineRecord, host_platform

QUICK = ("--precision", "fp16", "--batch", "1,4", "--seconds", "0.02", "--warmup", "0")


@pytest.fixture
def gpu(monkeypatch):
    """An emulated Orin with TensorRT 10.3."""
    name, path = "fsrfer_tests_cli_emulator", Path(__file__).parents[1] / "tensorrt_emulator.py"
    spec = importlib.util.spec_from_file_location(name, path)
    sys.modules[name] = emulator = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(emulator)
    emulated = emulator.emulation()
    monkeypatch.setattr(opening, "load_tensorrt_runtime", lambda backend: (emulated.trt, Gpu("Orin", "8.7")))
    monkeypatch.setattr(opening.Cuda, "load", lambda: Cuda(emulated.cudart))
    emulated.plan_of = emulator.plan_of
    yield emulated
    gc.collect()
    assert emulated.cudart.leaks() == {}


@pytest.fixture
def bundle(make_bundle, tmp_path):
    return make_bundle(tmp_path / "bundle")


def with_engine(gpu, bundle) -> Path:
    folder = bundle.path / "engines"
    folder.mkdir()
    plan = gpu.plan_of(bundle.artifact_path(ArtifactKind.ONNX_FP32).read_bytes(), (1, 4, 8))
    (folder / "fp16.engine").write_bytes(plan)
    EngineRecord(
        file="fp16.engine",
        backend=Backend.TENSORRT,
        precision=Precision.FP16,
        batch=BatchProfile(1, 4, 8),
        library_version="10.3.0",
        device="Orin",
        compute_capabilities=("8.7",),
        platform=host_platform(),
        source=ArtifactKind.ONNX_FP32,
        source_sha256=bundle.manifest.artifacts["onnx-fp32"].sha256,
        engine_sha256=sha256_of_bytes(plan),
        size_bytes=len(plan),
        build_seconds=1.0,
        build_key="key",
        created="2026-01-01T00:00:00Z",
        command="fsrfer-export build-engine",
    ).write(folder / "fp16.json")
    return bundle.path


def invoke(*words: object):
    return CliRunner().invoke(app, ["engine", *(str(word) for word in words)], env={"COLUMNS": "120"})


def test_stages_and_layers_are_printed(gpu, bundle, tmp_path):
    path = tmp_path / "engine.json"
    done = invoke(with_engine(gpu, bundle), *QUICK, "--json", path)
    assert done.exit_code == 0, done.exception
    for word in (
        "tiny fp16 on tensorrt",
        "compute",
        "copies",
        "slowest of 3 layers, batch 4",
        "backbone stem and 1 more",
    ):
        assert word in done.stdout
    assert [row["batch"] for row in json.loads(path.read_text())["rows"]] == [1, 4]


def test_json_goes_to_stdout_alone(gpu, bundle):
    assert json.loads(invoke(with_engine(gpu, bundle), *QUICK, "--json", "-").stdout)["backend"] == "tensorrt"


def test_without_a_gpu_it_says_where_to_run(bundle):
    if not isinstance(first_gpu(), str):
        pytest.skip("there is a GPU")
    error = invoke(bundle.path, *QUICK).exception
    assert isinstance(error, BackendUnavailableError)


def test_graphs_of_onnxruntime_are_profiled_elsewhere(bundle):
    error = invoke(bundle.path, "--backend", "onnxruntime").exception
    assert isinstance(error, UsageError)
    assert "fsrfer-profile model" in error.fix
