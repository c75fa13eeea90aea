"""Exports for the tests of Triton's model repositories."""

from __future__ import annotations

import pytest

from fsrfer.core import ArtifactKind
from fsrfer.runtime.engine_record import BatchProfile

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
def with_engine(engines):
    """Puts bytes that pass for a TensorRT engine into a bundle: ``with_engine(bundle, **changes)``.

    What is copied and recorded is under test; whether a GPU runs it is beyond this machine.
    """
    of_an_l4 = {
        "batch": BatchProfile(1, 8, 32),
        "device": "NVIDIA L4",
        "compute_capabilities": ("8.9",),
        "platform": "linux-x86_64",
        "source": ArtifactKind.ONNX_FP16,
    }
    return lambda bundle, **changes: engines.put_engine(bundle, b"engine", **{**of_an_l4, **changes})
