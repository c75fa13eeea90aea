"""What each package may load, seen in fresh interpreters."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

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


def loaded_modules(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def loaded_by(statement: str) -> set[str]:
    return {name.partition(".")[0] for name in loaded_modules(statement)}


@pytest.mark.parametrize("package", ["core", "datasets", "runtime", "runtime.detection", "runtime.sources", "cli.main"])
def test_serving_loads_nothing_heavy(package):
    assert not loaded_by(f"import fsrfer.{package}") & (HEAVY | {"onnxruntime"})


@pytest.mark.parametrize("package", ["calibration", "export", "export.build_engine"])
def test_calibration_and_engine_building_need_no_torch(package):
    assert "torch" not in loaded_by(f"import fsrfer.{package}")


def test_the_check_can_fail():
    assert "torch" in loaded_by("import fsrfer.training")


RUN = """
import contextlib, io, sys
from fsrfer.cli.main import profile
sys.argv = ["fsrfer-profile", *{words!r}]
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    profile()
"""
PROFILE = str(Path(__file__).parents[1] / "benchmarks" / "results" / "profile-ferplus-edge.json")


@pytest.mark.parametrize("words", [["schema"], ["diff", PROFILE, PROFILE]], ids=["schema", "diff"])
def test_reading_profiles_loads_nothing_that_measures(words):
    loaded = loaded_modules(RUN.format(words=words))
    assert "fsrfer.runtime.profiling.report_file" in loaded  # the command did run
    assert not {name.partition(".")[0] for name in loaded} & (HEAVY | {"onnxruntime", "cv2", "av"})


def test_a_command_that_measures_does():
    assert "cv2" in loaded_by(RUN.format(words=["model", "--help"]))
