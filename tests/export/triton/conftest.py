"""Exports for the tests of Triton's model repositories."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fsrfer.core import ArtifactKind, Backend, Precision
from fsrfer.core.files import sha256_of_bytes
from fsrfer.runtime.engine_record import BatchProfile, EngineRecord

ALL_GRAPHS = (
    ArtifactKind.ONNX_FP32,
    ArtifactKind.ONNX_FP16,
    ArtifactKind.ONNX_INT8_TENSORRT,
    ArtifactKind.ONNX_INT8_CPU,
)


@pytest.fixture
def bundle(make_bundle, tmp_path):
    """A bundle with a graph for every backend, whose model also reads the native size of each face."""
    return make_bundle(tmp_path / "bundle", conditioned=True, kinds=ALL_GRAPHS)


@pytest.fixture
def with_engine():
    """Puts bytes that pass for a TensorRT engine into a bundle: ``with_engine(bundle, **changes)``.

    What is copied and recorded is under test; whether a GPU runs it is beyond this machine.
    """

    def put(bundle, **changes):
        folder = bundle.path / "engines"
        folder.mkdir(exist_ok=True)
        plan = b"engine"
        (folder / "fp16.engine").write_bytes(plan)
        record = EngineRecord(
            file="fp16.engine",
            backend=Backend.TENSORRT,
            precision=Precision.FP16,
            batch=BatchProfile(1, 8, 32),
            library_version="10.3.0",
            device="NVIDIA L4",
            compute_capabilities=("8.9",),
            platform="linux-x86_64",
            source=ArtifactKind.ONNX_FP16,
            source_sha256=bundle.manifest.artifacts["onnx-fp16"].sha256,
            engine_sha256=sha256_of_bytes(plan),
            size_bytes=len(plan),
            build_seconds=1.0,
            build_key="key",
            created="2026-01-01T00:00:00Z",
            command="fsrfer-export build-engine BUNDLE --backend tensorrt --precision fp16",
        )
        replace(record, **changes).write(folder / "fp16.engine.json")
        return bundle

    return put
