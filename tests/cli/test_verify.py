"""``fsrfer-export verify`` as a user types it."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from fsrfer.cli.export import app
from fsrfer.core import ArtifactKind
from fsrfer.core.errors import CheckFailedError, UsageError
from fsrfer.datasets.procedural import LABELS


@pytest.fixture(scope="module")
def bundle(make_bundle, tmp_path_factory):
    kinds = (ArtifactKind.ONNX_FP32, ArtifactKind.ONNX_FP16, ArtifactKind.ONNX_INT8_CPU)
    return make_bundle(tmp_path_factory.mktemp("verify") / "bundle", LABELS, kinds=kinds)


def run(*words: object):
    return CliRunner().invoke(app, ["verify", *map(str, words)], catch_exceptions=True)


def test_equal_forms_pass_the_gate(bundle, tmp_path):
    output = tmp_path / "verification.json"
    done = run(bundle.path, "--faces", 20, "--sizes", "24,12", "--gate", "--by-class", "--output", output)
    assert done.exit_code == 0, done.output
    assert "ONNX INT8 for CPUs, 20 faces, track clean" in done.stdout
    assert "points lost by expression (95 %)" in " ".join(done.stdout.split())  # a narrow table folds its title
    assert "does a face's result depend on its batch?" in done.stdout
    assert "20 faces cannot resolve 0.05 points: a single face is 5.00" in done.stderr
    written = json.loads(output.read_text())
    assert [form["name"] for form in written["forms"]] == ["ONNX FP32", "ONNX FP16", "ONNX INT8 for CPUs"]
    assert written["beyond_bounds"] == []
    assert written["versions"]


def test_a_form_of_another_model_closes_the_gate(make_bundle, tmp_path):
    bundle = make_bundle(tmp_path / "bundle", LABELS, seed=0)
    other = make_bundle(tmp_path / "other", LABELS, seed=1).artifact_path(ArtifactKind.ONNX_FP32).read_bytes()
    bundle.store(ArtifactKind.ONNX_INT8_CPU, lambda path: path.write_bytes(other))
    words = (bundle.path, "--faces", 30, "--sizes", "24", "--max-drop", 0)
    told = run(*words)
    assert told.exit_code == 0
    gated = run(*words, "--gate")
    assert isinstance(gated.exception, CheckFailedError)
    assert "ONNX INT8 for CPUs" in str(gated.exception)


def test_json_goes_to_stdout_alone(bundle):
    done = run(bundle.path, "--faces", 8, "--sizes", "24", "--json")
    assert json.loads(done.stdout)["faces"] == 8


def test_the_gate_can_require_a_form(make_bundle, engines, tmp_path):
    bundle = engines.put_engine(make_bundle(tmp_path / "bundle", LABELS), b"plan")
    words = (bundle.path, "--faces", 20, "--sizes", "24", "--gate")
    passed = run(*words)
    assert passed.exit_code == 0, passed.output
    assert "not run here, and not part of any figure" in passed.stdout
    assert "the gate says nothing about: engine fp16.engine" in passed.stderr
    required = run(*words, "--require", "engine fp16.engine")
    assert isinstance(required.exception, CheckFailedError)
    assert "engine fp16.engine: required and not run" in str(required.exception)


def test_requiring_a_form_without_a_gate_is_refused(bundle):
    assert isinstance(run(bundle.path, "--require", "ONNX FP16").exception, UsageError)
