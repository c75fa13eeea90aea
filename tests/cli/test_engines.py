"""The commands fp16, build-engine and inspect, as a user types them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from fsrfer.core import ArtifactKind, ModelBundle, Precision
from fsrfer.core.gpu import first_gpu


def run(*words: object) -> subprocess.CompletedProcess[str]:
    code = "from fsrfer.cli.main import export; export()"
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "160"},
    )


@pytest.fixture(scope="module")
def bundle(make_bundle, tmp_path_factory) -> ModelBundle:
    return make_bundle(tmp_path_factory.mktemp("cli") / "bundle")


def test_an_engine_is_built_once(bundle):
    words = ("build-engine", bundle.path, "--backend", "onnxruntime", "--json")
    planned = run(*words, "--dry-run")
    assert json.loads(planned.stdout)["up_to_date"] is False
    built = run(*words)
    assert built.returncode == 0, built.stderr
    record = json.loads(built.stdout)
    assert (bundle.path / "engines" / record["file"]).stat().st_size == record["size_bytes"]
    assert "wrote" in built.stderr
    again = run(*words)
    assert json.loads(again.stdout) == record
    assert "up to date" in again.stderr
    assert json.loads(run(*words, "--dry-run").stdout)["up_to_date"] is True


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--backend", "onnxruntime", "--precision", "fp16"), 2, "no FP16 kernels"),
        (("--backend", "onnxruntime", "--precision", "int8"), 1, "Next: fsrfer-calibrate int8"),
        (("--backend", "tensorrt-rtx", "--batch", "8:4:2"), 2, "min <= opt <= max"),
        (("--backend", "tensorrt-rtx", "--timing-cache", "x"), 2, "tensorrt-rtx has no --timing-cache"),
    ],
)
def test_what_cannot_be_built_is_one_line(bundle, words, code, said):
    done = run("build-engine", bundle.path, *words)
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_half_precision_is_stored(bundle):
    done = run("fp16", bundle.path, "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["agreement"] is None
    stored = ModelBundle.load(bundle.path)
    assert stored.has(ArtifactKind.ONNX_FP16)
    assert stored.manifest.float16 == report
    shown = run("fp16", bundle.path).stdout
    assert "kept in float32 (half precision ends at 65504)" in shown
    assert all(name in shown for name in report["float32_nodes"])
    assert "not measured" in shown


def test_everything_can_be_inspected(bundle):
    built = json.loads(run("build-engine", bundle.path, "--backend", "onnxruntime", "--json").stdout)
    engine = bundle.path / "engines" / built["file"]
    shown = run("inspect", bundle.path)
    assert shown.returncode == 0, shown.stderr
    assert "model.onnx" in shown.stdout
    assert built["file"] in shown.stdout
    assert json.loads(run("inspect", bundle.path, "--json").stdout)["engines"] == [built]
    for target in (engine, engine.with_name(engine.name + ".json")):
        assert json.loads(run("inspect", target, "--json").stdout) == built
    graph = json.loads(run("inspect", bundle.path / "model.onnx", "--json").stdout)
    assert graph["inputs"] == {"faces": "uint8 (N, 3, 24, 24)"}
    assert "nodes with weights" in run("inspect", bundle.path / "model.onnx").stdout


def test_what_cannot_be_inspected_is_one_line(tmp_path):
    done = run("inspect", tmp_path / "nothing.engine")
    assert done.returncode == 2
    assert "cannot be inspected" in done.stderr


def test_a_build_is_written_down_for_a_device_without_tensorrt_here(bundle, tmp_path):
    done = run("build-engine", bundle.path, "--backend", "tensorrt", "--plan-only", tmp_path / "recipe.json")
    assert done.returncode == 0, done.stderr
    assert "trtexec --onnx=model.onnx" in done.stderr
    assert json.loads((tmp_path / "recipe.json").read_text())["profiles"]["faces"][2][0] == 64


def test_a_dry_run_says_what_is_in_the_graph(bundle):
    done = run("build-engine", bundle.path, "--backend", "onnxruntime", "--dry-run", "--json")
    found = json.loads(done.stdout)
    assert (found["precision"], found["not_checked"]) == ("fp32", None)
    assert found["parsed_by"].startswith("ONNX Runtime ")
    assert found["inputs"] == {"faces": "uint8 (N, 3, 24, 24)"}
    assert sum(found["layers"].values()) > 2
    shown = run("build-engine", bundle.path, "--backend", "onnxruntime", "--dry-run")
    assert "faces: uint8 (N, 3, 24, 24)" in shown.stdout


def test_a_dry_run_without_the_library_says_what_was_not_checked(bundle):
    if not isinstance(first_gpu(), str):
        pytest.skip("this machine has a GPU")
    done = run("build-engine", bundle.path, "--backend", "tensorrt", "--dry-run", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["engine"] is found["build_key"] is None
    assert found["profiles"]["faces"][2] == [64, 3, 24, 24]
    assert "an NVIDIA GPU with its driver" in found["not_checked"]
    assert "tensorrt has not read the graph" in done.stderr


@pytest.mark.parametrize("option", ["--force", "--dry-run"])
def test_a_recipe_refuses_what_says_nothing_about_it(bundle, tmp_path, option):
    recipe = tmp_path / "recipe.json"
    done = run("build-engine", bundle.path, "--backend", "tensorrt", "--plan-only", recipe, option)
    assert done.returncode == 2
    assert f"{option} would say nothing" in done.stderr
    assert not recipe.exists()


def test_a_recipe_names_where_the_engine_goes(bundle, tmp_path):
    recipe = tmp_path / "recipe.json"
    words = ("--backend", "tensorrt", "--plan-only", recipe, "--output", "/opt/face.engine")
    done = run("build-engine", bundle.path, *words)
    assert done.returncode == 0, done.stderr
    written = json.loads(recipe.read_text())
    assert "--saveEngine=/opt/face.engine" in written["trtexec"]
    assert written["fsrfer"].endswith("--output /opt/face.engine")


@pytest.mark.parametrize(
    ("account", "said"),
    [
        ({}, "not accounted for: the build log lists no layers"),
        ({"int8_layers": ("stem",), "unaccounted": ()}, "1 of 1 that the graph quantises"),
        ({"int8_layers": ("stem",), "unaccounted": ("stem_q",)}, "stem_q"),
        ({"int8_layers": (), "not_int8_layers": ("stem",), "unaccounted": ()}, "0 of 1 that the graph quantises"),
    ],
)
def test_the_account_of_an_int8_engine_is_always_printed(engines, tmp_path, account, said):
    record = replace(engines.RECORD, precision=Precision.INT8, **account)
    record.write(tmp_path / "a.engine.json")
    shown = run("inspect", tmp_path / "a.engine.json")
    assert shown.returncode == 0, shown.stderr
    assert said in shown.stdout
    record = replace(engines.RECORD, precision=Precision.FP16)
    record.write(tmp_path / "a.engine.json")
    assert "layers in INT8" not in run("inspect", tmp_path / "a.engine.json").stdout
