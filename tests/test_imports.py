"""What each package may load, seen in fresh interpreters."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {
    "torch",
    "onnx",
    "onnxscript",
    "matplotlib",
    "tensorboard",
    "safetensors",
    "tensorrt",
    "tensorrt_rtx",
    "pycuda",
    "tritonclient",
    "grpc",
}


def loaded_by(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("package", ["core", "datasets", "runtime", "runtime.detection", "runtime.sources", "cli.main"])
def test_serving_loads_nothing_heavy(package):
    assert not loaded_by(f"import fsrfer.{package}") & (HEAVY | {"onnxruntime"})


@pytest.mark.parametrize("package", ["calibration", "export", "export.build_engine"])
def test_calibration_and_engine_building_need_no_torch(package):
    assert "torch" not in loaded_by(f"import fsrfer.{package}")


def test_the_check_can_fail():
    assert "torch" in loaded_by("import fsrfer.training")
