"""``fsrfer-profile`` as a user runs it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from fsrfer.cli.profile import app
from fsrfer.core import ArtifactKind
from fsrfer.core.errors import FsrferError, UsageError
from fsrfer.core.schema import from_mapping
from fsrfer.runtime.profiling import ProfileReport

QUICK = ("--batch", "1,2", "--seconds", "0.02", "--warmup", "0")


@pytest.fixture(scope="module")
def bundle(make_bundle, tmp_path_factory):
    pytest.importorskip("onnxruntime")
    return make_bundle(
        tmp_path_factory.mktemp("bundle"), kinds=(ArtifactKind.ONNX_FP32, ArtifactKind.ONNX_INT8_CPU)
    ).path


def invoke(*words: object):
    return CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "100"})


def refusal_of(*words: object) -> FsrferError:
    error = invoke(*words).exception
    assert isinstance(error, FsrferError)
    return error


def test_a_bundle_alone_is_enough(bundle):
    done = invoke(bundle, *QUICK)
    assert done.exit_code == 0
    for word in ("fp32", "int8", "classify", "faces/s", "logits out", "times as fast"):
        assert word in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 100


def test_the_command_may_be_named_and_options_may_come_first(bundle):
    for words in (("model", bundle, *QUICK), (*QUICK, bundle), (*QUICK, "--precision", "fp32", bundle)):
        assert invoke(*words).exit_code == 0


def test_json_goes_to_stdout_alone(bundle):
    done = subprocess.run(
        [sys.executable, "-c", "from fsrfer.cli.main import profile; profile()", bundle, *QUICK, "--json", "-"],
        capture_output=True,
        text=True,
        check=True,
    )
    report = from_mapping(ProfileReport, json.loads(done.stdout), where="stdout", error=FsrferError)
    assert [row.batch for row in report.rows[:4]] == [1, 1, 2, 2]


def test_json_goes_to_a_file_beside_the_table(bundle, tmp_path):
    path = tmp_path / "new" / "profile.json"
    done = invoke(bundle, *QUICK, "--precision", "fp32", "--json", path)
    assert "fp32" in done.stdout
    assert {row["precision"] for row in json.loads(path.read_text())["rows"]} == {"fp32"}


def test_help_shows_the_options_of_the_plain_form_and_the_commands():
    done = invoke("--help")
    assert done.exit_code == 0
    for word in ("--batch", "--precision", "Commands:", "model"):
        assert word in done.stdout


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--batch", "many"), "--batch"),
        (("--batch", "0"), "batches"),
        (("--threads", "1,,2"), "--threads"),
        (("--precision", "fp8"), "--precision"),
        (("--precision", "fp16"), "fp16"),
        (("--seconds", "-1"), "duration"),
    ],
)
def test_wrong_options_are_named(bundle, words, problem):
    error = refusal_of(bundle, *words)
    assert isinstance(error, UsageError)
    assert problem in error.message


def test_a_file_that_cannot_be_written_is_refused_before_measuring(bundle, tmp_path):
    (tmp_path / "file").write_text("")
    assert "--json cannot be written" in refusal_of(bundle, "--json", tmp_path / "file" / "profile.json").message


def test_a_folder_cannot_be_the_json_file(bundle, tmp_path):
    assert "--json" in refusal_of(bundle, "--json", tmp_path).message


def test_what_is_no_bundle_is_named(tmp_path):
    assert "not a model bundle" in refusal_of(tmp_path).message
