"""Which commands work on a machine."""

from __future__ import annotations

import json
import re
import sys

import pytest

from fsrfer.core.schema import to_mapping
from fsrfer.runtime.detection.weights import ONNX_NAME
from fsrfer.runtime.doctor import command_readiness, diagnose

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def readiness(absent=(), *, has_gpu=False, has_detector=True, is_jetson=False):
    found = command_readiness(
        lambda module: module not in absent, has_gpu=has_gpu, has_detector=has_detector, is_jetson=is_jetson
    )
    return {state.command: state for state in found}


def test_with_everything_installed_only_tensorrt_lacks_its_gpu():
    assert [command for command, state in readiness().items() if not state.ready] == [
        "fsrfer-export build-engine --backend tensorrt",
        "fsrfer-run --backend tensorrt",
    ]
    assert all(state.ready for state in readiness(has_gpu=True).values())


def test_a_missing_package_stops_only_what_needs_it():
    states = readiness({"torch"}, has_gpu=True)
    assert [command for command, state in states.items() if not state.ready] == [
        "fsrfer-train fit",
        "fsrfer-export onnx",
    ]
    assert states["fsrfer-train fit"].missing == ("torch",)
    assert states["fsrfer-train fit"].fix == "pip install 'fsrfer[train]'"


def test_extras_are_named_together():
    assert readiness({"torch", "onnx"})["fsrfer-export onnx"].fix == "pip install 'fsrfer[train,export]'"


@pytest.mark.parametrize(("has_gpu", "extra"), [(False, "cpu"), (True, "gpu")])
def test_onnx_runtime_is_the_one_for_this_machine(has_gpu, extra):
    assert readiness({"onnxruntime"}, has_gpu=has_gpu)["fsrfer-profile"].fix == f"pip install 'fsrfer[{extra}]'"


def test_a_jetson_gets_tensorrt_from_jetpack_and_not_from_pip():
    fix = readiness({"tensorrt"}, has_gpu=True, is_jetson=True)["fsrfer-run --backend tensorrt"].fix
    assert "python3-libnvinfer" in fix
    assert "pip install" not in fix
    assert "pip install" in readiness({"tensorrt"}, has_gpu=True)["fsrfer-run --backend tensorrt"].fix


def test_running_needs_the_detector():
    state = readiness(has_detector=False)["fsrfer-run"]
    assert not state.ready
    assert state.fix == "fsrfer doctor --fetch-detector"


def test_fixes_name_extras_that_exist(request):
    project = tomllib.loads((request.config.rootpath / "pyproject.toml").read_text(encoding="utf-8"))
    known = set(project["project"]["optional-dependencies"])
    everything = {"torch", "safetensors", "tensorboard", "onnx", "onnxscript", "onnxruntime"}
    everything |= {"tensorrt", "tensorrt_rtx", "matplotlib", "jinja2"}
    for has_gpu in (False, True):
        for state in readiness(everything, has_gpu=has_gpu).values():
            (extras,) = re.findall(r"fsrfer\[([^]]+)\]", state.fix)
            assert set(extras.split(",")) <= known


def test_this_machine_can_be_examined(tmp_path, monkeypatch):
    monkeypatch.setenv("FSRFER_CACHE", str(tmp_path))
    (tmp_path / "detectors").mkdir()
    (tmp_path / "detectors" / ONNX_NAME).touch()
    diagnosis = diagnose()
    assert diagnosis.detector_weights == str(tmp_path / "detectors" / ONNX_NAME)
    assert {provider.name: provider.problem for provider in diagnosis.providers}["CPUExecutionProvider"] is None
    json.dumps(to_mapping(diagnosis), allow_nan=False)
