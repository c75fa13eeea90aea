"""``fsrfer-profile pipeline``, ``capacity`` and ``scenario`` as a user runs them, on a drawn crowd."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time

import pytest
from typer.testing import CliRunner

from fsrfer.cli.profile import app
from fsrfer.cli.profile_capacity import warmup_for
from fsrfer.core import ModelBundle
from fsrfer.core.errors import FsrferError, SourceError, UsageError
from fsrfer.core.schema import from_mapping
from fsrfer.datasets.procedural import CrowdClip, write_clip, write_ground_truth
from fsrfer.runtime.profiling.capacity import CapacityReport
from fsrfer.runtime.profiling.latency_bound import Verdict
from fsrfer.runtime.profiling.pipeline_profile import PipelineProfileReport
from fsrfer.runtime.profiling.scenario_report import ScenarioReport


@pytest.fixture(scope="module")
def bundle(make_bundle, tmp_path_factory):
    pytest.importorskip("onnxruntime")
    return make_bundle(tmp_path_factory.mktemp("bundle")).path


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "crowd.mp4"
    crowd = CrowdClip(width=160, height=96, seconds=2.0, people=4, face_px=(8, 20))
    write_clip(crowd, path)
    write_ground_truth(crowd, path.with_suffix(".jsonl"))
    return path


@pytest.fixture
def yunet(shared):
    return f"yunet:{shared / 'models' / 'yunet_n_dynamic.onnx'}"


def invoke(*words: object):
    return CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "100"})


def refusal_of(*words: object) -> FsrferError:
    error = invoke(*words).exception
    assert isinstance(error, FsrferError)
    return error


def read(kind, text):
    return from_mapping(kind, json.loads(text), where="the report", error=FsrferError)


def test_a_pipeline_is_taken_apart(bundle, clip, tmp_path):
    boxes = f"boxes:{clip.with_suffix('.jsonl')}"
    quick = ("--bundle", bundle, "--detector", boxes, "--warmup", 0, "--threads", 1)
    done = invoke("pipeline", clip, *quick, "--json", tmp_path / "p.json", "--trace", tmp_path / "t.json")
    assert done.exit_code == 0, done.exception
    for word in ("decode", "(queue)", "classify", "residual", "age of result", "p90 ms", "dropped", "ms a face"):
        assert word in done.stdout
    assert re.search(r"^energy +(not measured \(.+\)|\d+\.\d W.*)$", done.stdout, re.MULTILINE)
    assert re.search(r"^steady +(yes|no, decide nothing by it|not known)", done.stdout, re.MULTILINE)
    assert max(map(len, done.stdout.splitlines())) <= 160
    report = read(PipelineProfileReport, (tmp_path / "p.json").read_text())
    assert report.profile.sources[0].frames > 10
    setup = report.setup
    assert setup.model_sha256 == ModelBundle.load(bundle).manifest.artifacts["onnx-fp32"].sha256
    assert (setup.threads, setup.detector_side, setup.detect_every, setup.detect_lanes) == (1, None, None, 1)
    assert json.loads((tmp_path / "t.json").read_text())["traceEvents"]


def test_videos_may_play_cameras(bundle, clip, yunet):
    words = ("--bundle", bundle, "--detector", yunet, "--detector-side", 160, "--threads", 1, "--json", "-")
    done = invoke("pipeline", clip, clip, "--as-cameras", 20, "--warmup", 0.5, "--seconds", 1, *words)
    assert done.exit_code == 0, done.exception
    report = read(PipelineProfileReport, done.stdout)
    assert [source.name for source in report.profile.sources] == [str(clip), f"{clip}#2"]
    assert all(source.is_live and source.frames for source in report.profile.sources)
    assert (report.setup.detector_side, report.setup.min_face_px, report.setup.detect_every) == (160, 8.0, 1)


def test_a_page_of_a_pipeline_is_written(bundle, clip, tmp_path):
    pytest.importorskip("matplotlib")
    quick = ("--bundle", bundle, "--detector", f"boxes:{clip.with_suffix('.jsonl')}", "--warmup", 0, "--threads", 1)
    done = invoke("pipeline", clip, *quick, "--report", tmp_path / "pipeline.html")
    assert done.exit_code == 0, done.exception
    assert (tmp_path / "pipeline.html").read_text().count("<svg") == 2


def test_an_interrupt_ends_the_measurement_and_what_was_seen_is_told(bundle, clip, yunet):
    code = "from fsrfer.cli.main import profile; profile()"
    words = ["pipeline", clip, "--bundle", bundle, "--detector", yunet, "--detector-side", 160, "--threads", 1]
    words += ["--as-cameras", 10, "--warmup", 0, "--seconds", 300, "--json", "-"]
    command = [sys.executable, "-c", code, *map(str, words)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        for line in running.stderr:
            if line.startswith("source"):  # the last line before it runs
                break
        time.sleep(3)
        running.send_signal(signal.SIGINT)
        stdout, stderr = running.communicate(timeout=60)
    assert running.returncode == 0, stderr
    profile = read(PipelineProfileReport, stdout).profile
    assert 0 < profile.seconds < 300
    assert profile.sources[0].frames > 0


def test_a_capacity_is_found_and_says_what_was_asked(bundle, clip, yunet):
    words = ("--bundle", bundle, "--clip", clip, "--detector", yunet, "--detector-side", 160, "--threads", 1)
    limits = ("--fps", 5, "--most", 2, "--seconds", 1, "--warmup", 0.5, "--p95-ms", 5000, "--max-dropped", 0.5)
    done = invoke("capacity", *words, *limits)
    assert done.exit_code == 0, done.exception
    for word in ("carried", "knee"):
        assert word in done.stdout
    assert max(map(len, done.stdout.splitlines()[2:7])) <= 80
    assert "plan for" in done.stdout
    assert "p95 within 5000 ms" in done.stdout


def test_a_list_of_numbers_as_json(bundle, clip, yunet):
    words = ("--bundle", bundle, "--clip", clip, "--detector", yunet, "--detector-side", 160, "--threads", 1)
    done = invoke("capacity", *words, "--sources", "1,3", "--seconds", 0.5, "--warmup", 0.5, "--json", "-")
    assert done.exit_code == 0, done.exception
    report = read(CapacityReport, done.stdout)
    assert [step.sources for step in report.capacity.steps] == [1, 3]
    assert report.capacity.knee is not None
    assert report.config.warmup_s == 0.5
    assert report.setup.detector_side == 160
    assert report.clip == clip.name


def test_a_pipeline_that_adapts_is_given_time_for_it():
    assert warmup_for(None, detect_every=3) == 2.0
    assert warmup_for(None, detect_every=None) >= 5 * 1.0  # one step a second, from 1 to 5
    assert warmup_for(0.5, detect_every=None) == 0.5


def test_the_drawn_crowd_needs_no_clip(bundle, yunet):
    words = ("--bundle", bundle, "--detector", yunet, "--detector-side", 320, "--threads", 1, "--json", "-")
    done = invoke("capacity", *words, "--sources", "1", "--seconds", 1, "--warmup", 1, "--fps", 4)
    assert done.exit_code == 0, done.exception
    report = read(CapacityReport, done.stdout)
    assert report.clip == "the drawn crowd"
    assert report.capacity.steps[0].cost.faces_per_second > 0


def test_scenarios_are_printed_and_kept(bundle, tmp_path):
    words = ("--scenario", "offline,single-stream,multi-stream", "--seconds", 0.05, "--warmup", 0, "--threads", 1)
    done = invoke("scenario", bundle, *words, "--json", tmp_path / "s.json")
    assert done.exit_code == 0, done.exception
    for word in ("single-stream", "multi-stream", "offline", "faces/s", "takes 459; raise --seconds", "energy"):
        assert word in done.stdout
    report = read(ScenarioReport, (tmp_path / "s.json").read_text())
    assert [result.scenario.value for result in report.results] == ["offline", "single-stream", "multi-stream"]


@pytest.mark.slow
def test_the_server_scenario_is_searched_and_told(bundle, tmp_path):
    words = ("--scenario", "server", "--seconds", 0.05, "--warmup", 0, "--threads", 1, "--bound-ms", 200)
    done = invoke("scenario", bundle, *words, "--json", tmp_path / "s.json")
    assert done.exit_code == 0, done.exception
    (result,) = read(ScenarioReport, (tmp_path / "s.json").read_text()).results
    assert result.server.trials[-1].queries >= result.fewest_queries == 459
    rate = result.server.per_second
    held = [trial for trial in result.server.trials if trial.per_second == rate and trial.verdict is Verdict.HOLDS]
    assert ("no rate holds 200 ms" if rate is None else f"{len(held)} of which held at this rate") in " ".join(
        done.stdout.split()
    )
    assert "faces a run: holds" in done.stderr


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("scenario", "--scenario", "some"), "--scenario"),
        (("scenario", "--seconds", "0"), "scenario"),
        (("capacity", "--sources", "1,1"), "--sources"),
        (("capacity", "--margin", "2"), "capacity"),
        (("capacity", "--detector", "boxes:a.jsonl"), "boxes"),
        (("capacity", "--detect-every", "x"), "--detect-every"),
        (("capacity", "--json", "."), "folder"),
        (("pipeline", "0", "--as-cameras", "10"), "videos"),
        (("pipeline", "0", "--trace", "."), "--trace"),
        (("pipeline", "0", "--report", "."), "--report"),
    ],
)
def test_mistakes_are_found_before_anything_is_measured(words, problem):
    error = refusal_of(*words)
    assert isinstance(error, UsageError)
    assert problem in str(error)


def test_a_clip_that_is_not_there_is_told(bundle, tmp_path, yunet):
    words = ("--bundle", bundle, "--detector", yunet, "--sources", "1", "--warmup", 0.2, "--seconds", 0.2)
    assert isinstance(refusal_of("capacity", "--clip", tmp_path / "none.mp4", *words), SourceError)
