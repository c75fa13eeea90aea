"""``fsrfer-profile engine`` under the emulation of CUDA and TensorRT, and where there is no GPU."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from fsrfer.cli.profile import app
from fsrfer.core.errors import BackendUnavailableError, UsageError
from fsrfer.core.gpu import first_gpu

QUICK = ("--precision", "fp16", "--batch", "1,4", "--seconds", "0.02", "--warmup", "0")


@pytest.fixture
def gpu(emulated_orin):
    return emulated_orin


@pytest.fixture
def bundle(make_bundle, tmp_path):
    return make_bundle(tmp_path / "bundle")


def invoke(*words: object):
    return CliRunner().invoke(app, ["engine", *(str(word) for word in words)], env={"COLUMNS": "120"})


def test_stages_and_layers_are_printed(gpu, bundle, tmp_path):
    path = tmp_path / "engine.json"
    done = invoke(gpu.put_engine(bundle).path, *QUICK, "--json", path)
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


def test_files_for_other_tools_are_written(gpu, bundle, tmp_path):
    times, csv = tmp_path / "times.json", tmp_path / "rates.csv"
    done = invoke(gpu.put_engine(bundle).path, *QUICK, "--times", times, "--csv", csv)
    assert done.exit_code == 0, done.exception
    assert {run["batch"] for run in json.loads(times.read_text())} == {1, 4}
    assert len(csv.read_text().splitlines()) == 3


def test_json_goes_to_stdout_alone(gpu, bundle):
    assert json.loads(invoke(gpu.put_engine(bundle).path, *QUICK, "--json", "-").stdout)["backend"] == "tensorrt"


def test_without_a_gpu_it_says_where_to_run(bundle):
    if not isinstance(first_gpu(), str):
        pytest.skip("there is a GPU")
    error = invoke(bundle.path, *QUICK).exception
    assert isinstance(error, BackendUnavailableError)


def test_graphs_of_onnxruntime_are_profiled_elsewhere(bundle):
    error = invoke(bundle.path, "--backend", "onnxruntime").exception
    assert isinstance(error, UsageError)
    assert "fsrfer-profile model" in error.fix
