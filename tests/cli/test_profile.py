"""``fsrfer-profile`` as a user runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from fsrfer.cli.profile import app
from fsrfer.cli.profile_tables import print_profile
from fsrfer.core import ArtifactKind
from fsrfer.core.errors import BackendUnavailableError, FsrferError, UsageError
from fsrfer.core.schema import from_mapping
from fsrfer.runtime.onnxruntime_runner import import_onnxruntime
from fsrfer.runtime.profiling import LatencyClock, ProfileReport
from fsrfer.runtime.profiling.report import LayerProfile
from fsrfer.runtime.profiling.report_file import read_profile
from fsrfer.runtime.profiling.speedups import Int8Speedup
from fsrfer.runtime.shipped import default_bundle_path

QUICK = ("--batch", "1,2", "--seconds", "0.02", "--warmup", "0")


@pytest.fixture(scope="module")
def bundle(make_bundle, tmp_path_factory):
    pytest.importorskip("onnxruntime")
    return make_bundle(
        tmp_path_factory.mktemp("bundle"), kinds=(ArtifactKind.ONNX_FP32, ArtifactKind.ONNX_INT8_CPU)
    ).path


def invoke(*words: object, columns: int = 100):
    return CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": str(columns)})


def refusal_of(*words: object) -> FsrferError:
    error = invoke(*words).exception
    assert isinstance(error, FsrferError)
    return error


def test_a_bundle_alone_is_enough(bundle):
    done = invoke(bundle, *QUICK)
    assert done.exit_code == 0
    for word in ("fp32", "int8", "classify", "faces/s", "logits out", "times as fast", "knee of", "padding"):
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


def test_files_for_other_tools_are_written(bundle, tmp_path):
    times, csv = tmp_path / "times.json", tmp_path / "rates.csv"
    assert invoke(bundle, *QUICK, "--streams", "1,2", "--times", times, "--csv", csv).exit_code == 0
    assert {run["streams"] for run in json.loads(times.read_text())} == {1, 2}
    assert len(csv.read_text().splitlines()) == 1 + 16


def test_layers_are_printed_below_the_table(bundle, tmp_path):
    path = tmp_path / "profile.json"
    done = invoke(bundle, *QUICK, "--precision", "fp32", "--layers", "--json", path)
    assert done.exit_code == 0
    for word in ("% roof", "by part of the network", "peak of float32", "copy, threads 1", "power of the machine"):
        assert word in done.stdout
    layers = read_profile(path).layers
    assert layers is not None
    assert [(run.batch, run.threads) for run in layers.runs] == [(2, 1)]


def test_a_page_is_written(bundle, tmp_path):
    pytest.importorskip("matplotlib")
    done = invoke(bundle, *QUICK, "--precision", "fp32", "--report", tmp_path / "profile.html")
    assert done.exit_code == 0
    assert (tmp_path / "profile.html").read_text().count("<svg") == 6


def test_the_schema_is_printed():
    schema = json.loads(invoke("schema").stdout)
    assert set(schema["$defs"]) >= {"ProfileReport", "LayerProfile", "LayerTime"}


class TestLayers:
    def test_formats_stand_side_by_side(self):
        words = ("layers", default_bundle_path(), "--batch", "2", "--threads", "1,2", "--seconds", "0.05")
        done = invoke(*words, columns=120)
        assert done.exit_code == 0
        for word in (
            "backbone stage 3 block 2 conv 2",
            *("generator block 2", "int8 2t", "int8 scales", "times as fast", "power of"),
        ):
            assert word in done.stdout

    def test_json_goes_to_stdout_alone(self, bundle):
        done = invoke("layers", bundle, "--precision", "fp32", "--batch", "1", "--seconds", "0.01", "--json", "-")
        profile = from_mapping(LayerProfile, json.loads(done.stdout), where="stdout", error=FsrferError)
        assert [run.precision.value for run in profile.layers.runs] == ["fp32"]

    def test_all_layers_are_listed_on_request(self, bundle):
        words = ("layers", bundle, "--precision", "fp32", "--batch", "1", "--seconds", "0.01")
        profile = json.loads(invoke(*words, "--json", "-").stdout)
        listed = invoke(*words, "--all").stdout
        assert all(layer["name"] in listed for layer in profile["layers"]["runs"][0]["layers"])
        assert "small ones" not in listed

    def test_a_file_that_cannot_be_written_is_refused(self, bundle, tmp_path):
        assert "--json names a folder" in refusal_of("layers", bundle, "--json", tmp_path).message


@pytest.fixture(scope="module")
def profiles(bundle, tmp_path_factory):
    """A profile, and one with the same steady rounds, a fifth slower."""
    folder = tmp_path_factory.mktemp("profiles")
    invoke(bundle, *QUICK, "--precision", "fp32", "--json", folder / "before.json")
    value = json.loads((folder / "before.json").read_text())
    for name, factor in (("before", 1.0), ("after", 1.2)):
        for row in value["rows"]:
            row["window_medians_ms"] = [factor * each for each in (1.0, 1.01, 0.99, 1.0, 1.02, 0.98)]
            row["stability"] = "stable"
        (folder / f"{name}.json").write_text(json.dumps(value))
    return folder / "before.json", folder / "after.json"


class TestDiff:
    def test_a_change_is_named(self, profiles):
        done = invoke("diff", *profiles)
        assert done.exit_code == 0
        assert done.stdout.count("slower") == 4
        assert "+20.0%" in done.stdout

    def test_json_holds_the_rows(self, profiles):
        found = json.loads(invoke("diff", *profiles, "--json").stdout)
        assert {row["verdict"] for row in found["rows"]} == {"slower"}

    def test_a_gate_exits_with_3(self, profiles):
        error = refusal_of("diff", *profiles, "--fail-slower", "5")
        assert (error.exit_code, error.expected) == (3, "by 5.0% at most")
        assert invoke("diff", *profiles, "--fail-slower", "25").exit_code == 0
        assert invoke("diff", *profiles[::-1], "--fail-slower", "5").exit_code == 0

    def test_a_limit_below_the_noise_is_refused(self, profiles):
        error = refusal_of("diff", *profiles, "--fail-slower", "2")
        assert isinstance(error, UsageError)
        assert "no effect" in error.message
        assert refusal_of("diff", *profiles, "--fail-slower", "2", "--noise", "1").exit_code == 3

    def test_files_of_other_commands_are_told(self, profiles, bundle, tmp_path):
        words = ("--precision", "fp32", "--batch", "1", "--seconds", "0.01")
        invoke("layers", bundle, *words, "--json", tmp_path / "layers.json")
        assert "fsrfer-profile layers" in str(refusal_of("diff", profiles[0], tmp_path / "layers.json"))

    def test_what_differs_must_be_allowed(self, profiles, tmp_path):
        value = json.loads(profiles[1].read_text())
        value["environment"]["processor"]["model"] = "Other CPU"
        other = tmp_path / "other.json"
        other.write_text(json.dumps(value))
        done = invoke("diff", profiles[0], other)
        assert "machine differs: processor was" in done.stdout
        assert "not comparable" in done.stdout
        assert "slower" in invoke("diff", profiles[0], other, "--despite", "machine").stdout
        assert "--despite" in refusal_of("diff", profiles[0], other, "--despite", "settings").message

    def test_other_files_are_refused(self, profiles, bundle):
        assert "is no profile" in refusal_of("diff", profiles[0], bundle / "bundle.json").message


def test_accuracy_of_each_graph_stands_beside_its_speed(tmp_path):
    words = ("--precision", "int8", "--batch", "1", "--seconds", "0.02", "--warmup", "0", "--data", "procedural")
    done = invoke(default_bundle_path(), *words, "--faces", "40", "--json", tmp_path / "profile.json")
    assert done.exit_code == 0, done.exception
    (graph,) = read_profile(tmp_path / "profile.json").graphs
    assert [row.face_size_px for row in graph.accuracy] == [48.0, 24.0, 16.0, 12.0, 8.0]
    assert f"{graph.accuracy[0].accuracy:.1%} {graph.accuracy[0].macro_f1:.3f}" in done.stdout


def test_accuracy_of_the_bundle_stands_there_without_faces():
    words = ("--precision", "int8", "--batch", "1", "--seconds", "0.02", "--warmup", "0")
    done = invoke(default_bundle_path(), *words)
    for word in ("fp32, by its bundle", "accuracy and macro F1", "3519 faces of each size", "its own accuracy: --data"):
        assert word in done.stdout


def test_ratios_of_rows_that_drift_are_marked(profiles, capsys):
    report = read_profile(profiles[0])
    one = Int8Speedup(8, 1, LatencyClock.MODEL, 2.5, (2.4, 2.6), (2.5,), is_sure=False)
    print_profile(replace(report, speedups=(one, replace(one, batch=32, is_sure=True))))
    told = [line for line in capsys.readouterr().out.splitlines() if "times as fast" in line]
    assert [line.endswith("; rows drift") for line in told] == [True, False]


def test_providers_and_layers_of_gpus(bundle):
    assert "engine" in refusal_of(bundle, "--provider", "cuda", "--layers").fix
    if "CUDAExecutionProvider" not in import_onnxruntime().get_available_providers():
        error = refusal_of(bundle, *QUICK, "--provider", "cuda")
        assert isinstance(error, BackendUnavailableError)
        assert error.exit_code == 1


def test_spinning_is_told(bundle):
    assert "idle threads spun" in invoke(bundle, *QUICK, "--precision", "fp32", "--spinning").stdout
    assert "idle threads spun" not in invoke(bundle, *QUICK, "--precision", "fp32", "--no-spinning").stdout


def test_help_shows_the_options_of_the_plain_form_and_the_commands():
    done = invoke("--help")
    assert done.exit_code == 0
    for word in ("--batch", "--precision", "Commands:", "model", "layers", "diff"):
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
