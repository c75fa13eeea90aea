"""``fsrfer-run`` as users start it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import cv2
import jsonschema
import numpy as np
import pytest

from fsrfer.core import ArtifactKind
from fsrfer.runtime import default_bundle_path
from fsrfer.runtime.sinks import output_schema
from fsrfer.runtime.sources import shard_of

START = "from fsrfer.cli.main import run; run()"


def command(*words):
    return [sys.executable, "-c", START, *(str(word) for word in words)]


def run(*words, **options):
    return subprocess.run(command(*words), capture_output=True, text=True, check=False, timeout=120, **options)


def records(text):
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture(scope="module")
def bundle(make_bundle, tmp_path_factory) -> Path:
    kinds = (ArtifactKind.ONNX_FP32, ArtifactKind.ONNX_INT8_CPU)
    return make_bundle(tmp_path_factory.mktemp("bundles") / "tiny", kinds=kinds).path


@pytest.fixture(scope="module")
def faces(tmp_path_factory) -> Path:
    """A folder of three ready-made face crops."""
    folder = tmp_path_factory.mktemp("faces")
    for index, side in enumerate((12, 24, 48)):
        image = np.random.default_rng(index).integers(0, 255, (side, side, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f"face-{index}.png"), image)
    return folder


@pytest.fixture
def yunet(shared) -> str:
    return f"yunet:{shared / 'models' / 'yunet_n_dynamic.onnx'}"


@pytest.fixture
def classroom(shared) -> Path:
    return shared / "media" / "clips" / "classroom.mp4"


def test_a_video_gives_one_valid_line_a_frame(bundle, yunet, classroom):
    done = run(classroom, "--bundle", bundle, "--detector", yunet, "--max-frames", 10)
    assert done.returncode == 0, done.stderr
    lines = records(done.stdout)
    assert [line["frame"] for line in lines] == list(range(10))
    assert {len(line["faces"]) for line in lines} == {4}
    for line in lines:
        jsonschema.validate(line, output_schema())
    assert "model.onnx (fp32) on CPUExecutionProvider" in done.stderr
    assert "detector  yunet" in done.stderr
    assert f"source    {classroom} (video)" in done.stderr
    assert "10 frames, 40 faces" in done.stderr


def test_people_are_followed_and_groups_summed_up(bundle, yunet, classroom):
    done = run(
        *(classroom, "--bundle", bundle, "--detector", yunet, "--max-frames", 24, "--detect-every", 3),
        *("--group-window", 1),
    )
    assert done.returncode == 0, done.stderr
    lines = records(done.stdout)
    for line in lines:
        jsonschema.validate(line, output_schema())
    frames = [line for line in lines if line.get("type") != "window"]
    windows = [line for line in lines if line.get("type") == "window"]
    assert {face["track_id"] for line in frames for face in line["faces"]} == {1, 2, 3, 4}
    assert [all(face["is_detected"] for face in line["faces"]) for line in frames[:4]] == [True, False, False, True]
    assert [window["people"] for window in windows] == [4, 4]
    assert "readings by the model" in done.stderr


def test_nobody_is_followed_where_that_is_not_wanted(bundle, yunet, classroom):
    done = run(classroom, "--bundle", bundle, "--detector", yunet, "--max-frames", 3, "--no-track")
    assert all("track_id" not in face for line in records(done.stdout) for face in line["faces"])
    done = run(classroom, "--bundle", bundle, "--detector", yunet, "--no-track", "--detect-every", 3)
    assert done.returncode == 2
    assert "only where they are followed" in done.stderr


def test_aggregates_alone_tell_nothing_about_a_single_face(bundle, yunet, classroom, tmp_path):
    options = (classroom, "--bundle", bundle, "--detector", yunet, "--max-frames", 12, "--aggregate-only")
    sinks = ("--sink", f"csv-groups:{tmp_path / 'groups.csv'}", "--sink", f"csv:{tmp_path / 'faces.csv'}")
    done = run(*options, *sinks, "--min-people", 4)
    assert done.returncode == 0, done.stderr
    (line,) = records(done.stdout)
    assert (line["type"], line["people"]) == ("window", 4)
    assert "box" not in done.stdout
    assert len((tmp_path / "groups.csv").read_text(encoding="utf-8").splitlines()) == 2
    assert len((tmp_path / "faces.csv").read_text(encoding="utf-8").splitlines()) <= 1
    suppressed = records(run(*options).stdout)
    assert [(line["suppressed"], line["people"]) for line in suppressed] == [(True, None)]
    refused = run(*options, "--annotated", tmp_path / "seen.mp4")
    assert refused.returncode == 2
    assert "nothing about a single face" in refused.stderr


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--detect-every", "often"), "--detect-every cannot be read"),
        (("--detect-every", "0"), "--detect-every cannot be read"),
        (("--min-people", "3"), "--min-people is about windows"),
        (("--aggregate-only", "--trace", "trace.json"), "a trace counts the faces"),
        (("--sink", "carrier-pigeon:coop"), "cannot tell what sink"),
        (("--serve", "0.0.0.0:0"), "open to other machines"),
        (("--serve-host", "cameras.local"), "options of the live page without it"),
        (("--serve", "127.0.0.1:0", "--serve-token-file", "no-such-file"), "cannot be read"),
        (("--serve", "nowhere"), "cannot listen there"),
    ],
)
def test_impossible_options_are_said_before_anything_runs(bundle, yunet, classroom, options, told):
    done = run(classroom, "--bundle", bundle, "--detector", yunet, *options)
    assert done.returncode == 2
    assert told in done.stderr
    assert done.stdout == ""


def test_many_cameras_come_from_a_file(bundle, yunet, classroom, tmp_path):
    (tmp_path / "cameras.toml").write_text(
        f"""
        [defaults]
        min_face_px = 10
        [[source]]
        name = "left half"
        address = "{classroom.resolve()}"
        region = [0.0, 0.0, 0.5, 1.0]
        [[source]]
        name = "all"
        address = "{classroom.resolve()}"
        """,
        encoding="utf-8",
    )
    done = run(tmp_path / "cameras.toml", "--bundle", bundle, "--detector", yunet, "--max-frames", 2)
    assert done.returncode == 0, done.stderr
    faces = {line["source"]: line["faces"] for line in records(done.stdout)}
    assert set(faces) == {"left half", "all"}
    assert 0 < len(faces["left half"]) < len(faces["all"]) == 4
    assert all(face["box"][2] <= 240 for face in faces["left half"])


def test_boxes_share_the_sources_of_a_file(bundle, faces, tmp_path):
    names = [f"box-test-{number}" for number in range(6)]
    path = tmp_path / "cameras.toml"
    for name in names:
        shutil.copyfile(faces / "face-1.png", tmp_path / f"{name}.png")
    path.write_text("\n".join(f'[[source]]\nname = "{name}"\naddress = "{name}.png"' for name in names))
    parts = []
    for index in range(2):
        done = run(path, "--bundle", bundle, "--faces-only", "--shard", f"{index}/2")
        assert done.returncode == 0, done.stderr
        parts.append({Path(line["source"]).stem for line in records(done.stdout)})
    assert parts == [{name for name in names if shard_of(name, 2) == index} for index in range(2)]
    assert all(parts)


def test_a_sink_that_fails_is_an_error_at_the_end_and_nothing_else_is_lost(bundle, yunet, classroom):
    done = run(classroom, "--bundle", bundle, "--detector", yunet, "--max-frames", 5, "--sink", "jsonl:/dev/full")
    assert done.returncode == 1
    assert len(records(done.stdout)) == 5
    assert "results could not be written everywhere" in done.stderr
    assert done.stderr.count("No space left") <= 2


def test_log_records_can_be_json(bundle, faces, tmp_path):
    (faces / "broken.png").write_bytes(b"no picture")
    try:
        done = run(faces, "--bundle", bundle, "--faces-only", "--quiet", "--log-format", "json")
    finally:
        (faces / "broken.png").unlink()
    assert done.returncode == 1
    record = json.loads(done.stderr.splitlines()[0])
    assert (record["level"], record["logger"].startswith("fsrfer.")) == ("error", True)


@pytest.mark.slow
def test_the_page_is_served_while_it_runs(bundle, yunet, classroom, tmp_path):
    # A raw stream that goes on until its writer ends.
    process = subprocess.Popen(
        command("raw:64x64:rgb24@25", "--bundle", bundle, "--detector", yunet, "--serve", "127.0.0.1:0"),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        process.stdin.write(bytes(64 * 64 * 3) * 3)
        process.stdin.flush()
        address = ""
        for line in process.stderr:
            if line.startswith(b"page"):
                address = line.split()[1].decode()
                break
        assert address.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(f"{address}healthz", timeout=20) as answer:
            assert answer.status == 200
        with urllib.request.urlopen(f"{address}metrics", timeout=20) as answer:
            assert b"fsrfer_frames_captured_total" in answer.read()
        process.stdin.close()
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def test_crops_are_recorded_only_where_asked_for(bundle, faces, tmp_path):
    done = run(faces, "--bundle", bundle, "--faces-only", "--record-calibration", tmp_path / "crops")
    assert done.returncode == 0, done.stderr
    assert "tell the people" in done.stderr
    assert len(list((tmp_path / "crops" / "train").glob("*/*.png"))) == 3


def test_a_gpu_that_is_not_there_is_no_matter_of_fallback(bundle, faces):
    done = run(faces, "--bundle", bundle, "--faces-only", "--backend", "tensorrt")
    assert done.returncode == 1
    assert "engines run on a GPU" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(("provider", "named"), [("cuda", "CUDAExecutionProvider"), ("tensorrt", "Tensorrt")])
def test_a_provider_that_is_not_there_is_no_matter_of_fallback(bundle, faces, provider, named):
    done = run(faces, "--bundle", bundle, "--faces-only", "--provider", provider)
    assert done.returncode == 1
    assert named in done.stderr
    assert done.stdout == ""


def test_quiet_says_nothing(bundle, faces):
    done = run(faces, "--bundle", bundle, "--faces-only", "--quiet")
    assert (done.returncode, done.stderr) == (0, "")


def test_nothing_is_written_unless_asked_for(bundle, yunet, classroom, tmp_path):
    home, folder = tmp_path / "home", tmp_path / "folder"
    home.mkdir()
    folder.mkdir()
    environment = {**os.environ, "HOME": str(home), "TMPDIR": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    before = {path: path.stat().st_mtime_ns for path in bundle.rglob("*")}
    done = run(
        classroom.resolve(),
        *("--bundle", bundle, "--detector", f"yunet:{Path(yunet[6:]).resolve()}", "--max-frames", 5),
        cwd=folder,
        env=environment,
    )
    assert len(records(done.stdout)) == 5
    assert list(home.rglob("*")) + list(folder.rglob("*")) == []
    assert {path: path.stat().st_mtime_ns for path in bundle.rglob("*")} == before


def test_face_crops_need_no_detector(bundle, faces):
    done = run(faces, "--bundle", bundle, "--faces-only", "--precision", "int8")
    lines = records(done.stdout)
    assert [face["face_size_px"] for line in lines for face in line["faces"]] == [12.0, 24.0, 48.0]
    assert [Path(line["source"]).name for line in lines] == ["face-0.png", "face-1.png", "face-2.png"]
    assert "model.int8-cpu.onnx (int8)" in done.stderr


def test_least_size_and_confidence_are_respected(bundle, yunet, classroom):
    options = ("--bundle", bundle, "--detector", yunet, "--max-frames", 1)
    (line,) = records(run(classroom, *options, "--abstain-below", 1).stdout)
    assert {face["label"] for face in line["faces"]} == {"unknown"}
    sides = [max(face["box"][2] - face["box"][0], face["box"][3] - face["box"][1]) for face in line["faces"]]
    middle = sorted(sides)[1]
    (line,) = records(run(classroom, *options, "--min-face-size", middle).stdout)
    assert 0 < len(line["faces"]) < 4


def test_output_and_annotations_go_to_their_files(bundle, yunet, classroom, shared, tmp_path):
    other = shared / "media" / "clips" / "face-demographics-walking.mp4"
    (tmp_path / "out.jsonl").write_text("what was there before\n" * 1000, encoding="utf-8")
    done = run(
        *(classroom, other, "--bundle", bundle, "--detector", yunet, "--max-frames", 4),
        *("--output", tmp_path / "out.jsonl", "--annotated", tmp_path / "out.mp4"),
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    lines = records((tmp_path / "out.jsonl").read_text(encoding="utf-8"))
    assert [line["frame"] for line in lines if line["source"] == str(classroom)] == [0, 1, 2, 3]
    assert len(lines) == 8
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "out-classroom.mp4",
        "out-face-demographics-walking.mp4",
        "out.jsonl",
    ]


def test_pictures_are_annotated_as_pictures(bundle, faces, tmp_path):
    done = run(faces, "--bundle", bundle, "--faces-only", "--annotated", tmp_path / "out.png")
    assert done.returncode == 0, done.stderr
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["out-face-0.png", "out-face-1.png", "out-face-2.png"]


def test_a_failing_source_is_said_once_and_fails_the_run(bundle, faces, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes((faces / "face-2.png").read_bytes()[:-30])
    done = run(broken, faces, "--bundle", bundle, "--faces-only")
    assert done.returncode == 1
    assert len(records(done.stdout)) == 3
    assert done.stderr.count("is cut off") == 1
    assert f"error: 1 of 2 sources failed; found {broken}" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_password_never_shows(bundle, yunet):
    done = run(
        "rtsp://admin:hunter2@127.0.0.1:1/camera",
        "--bundle",
        bundle,
        "--detector",
        yunet,
        env={**os.environ, "FSRFER_LOG": "debug"},
    )
    assert done.returncode == 1
    assert "rtsp://***@127.0.0.1:1/camera" in done.stderr
    assert "hunter2" not in done.stdout + done.stderr


def test_without_a_bundle_the_shipped_model_reads_grey_and_colour_faces(faces, tmp_path):
    gray = tmp_path / "gray"
    gray.mkdir()
    for path in faces.iterdir():
        cv2.imwrite(str(gray / path.name), cv2.imread(str(path), cv2.IMREAD_GRAYSCALE))
    for folder in (faces, gray):
        done = run(folder, "--faces-only")
        assert done.returncode == 0, done.stderr
        assert str(default_bundle_path()) in done.stderr
        probabilities = [face["probabilities"] for record in records(done.stdout) for face in record["faces"]]
        assert [len(shares) for shares in probabilities] == [8, 8, 8]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["none.mp4", "--bundle", "BUNDLE"], 1, "there is no file none.mp4"),
        (["FACES", "--bundle", "nowhere"], 1, "nowhere is not a model bundle"),
        (
            ["FACES", "--bundle", "BUNDLE", "--precision", "fp16", "--provider", "cuda", "--faces-only"],
            1,
            "has no onnx-fp16.*fsrfer-export fp16",
        ),
        (
            ["FACES", "--bundle", "BUNDLE", "--precision", "fp16", "--backend", "tensorrt", "--faces-only"],
            1,
            "no NVIDIA|GPU|driver",
        ),
        (["FACES", "--bundle", "BUNDLE", "--precision", "fp16", "--faces-only"], 2, "do not compute in fp16"),
        (["FACES", "--bundle", "BUNDLE", "--precision", "bf16", "--faces-only"], 2, "do not compute in bf16"),
        (["FACES", "--bundle", "BUNDLE", "--faces-only", "--min-score", "0.5"], 2, "--faces-only runs no detector"),
        (["0", "--bundle", "BUNDLE", "--faces-only"], 2, "--faces-only reads face crops.*camera 0"),
        (
            ["FACES", "--bundle", "BUNDLE", "--faces-only", "--annotated", "out.mp4"],
            2,
            "cannot write annotated pictures",
        ),
        (["FACES", "--bundle", "BUNDLE", "--faces-only", "--output", "FACES/face-0.png"], 2, "would overwrite"),
        (["FACES", "--bundle", "BUNDLE", "--output", "no/such/folder"], 2, "a folder that is not there"),
        (["FACES", "--bundle", "BUNDLE", "--detector", "psychic"], 2, "no face detector 'psychic'"),
        (["FACES", "--bundle", "BUNDLE", "--max-batch", "0"], 2, "--max-batch"),
        (["--bundle", "BUNDLE"], 2, "Missing argument"),
    ],
)
def test_mistakes_are_explained(bundle, faces, tmp_path, words, code, message):
    filled = [word.replace("BUNDLE", str(bundle)).replace("FACES", str(faces)) for word in words]
    done = run(*filled, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert re.search(message, done.stderr, re.DOTALL)
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.fixture
def endless(bundle, shared, yunet, tmp_path):
    """A run over a long clip that has written its first lines."""
    clip = shared / "media" / "clips" / "one-by-one-person-detection.mp4"
    output = tmp_path / "out.jsonl"
    process = subprocess.Popen(
        command(clip, "--bundle", bundle, "--detector", yunet, "--output", output, "--annotated", tmp_path / "out.mp4"),
        stderr=subprocess.PIPE,
        text=True,
    )
    process.output = output
    deadline = time.monotonic() + 60
    while not (output.exists() and output.stat().st_size):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    yield process
    process.kill()
    process.stderr.close()
    process.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_finishes_what_is_in_hand(endless, number, tmp_path):
    endless.send_signal(number)
    _, errors = endless.communicate(timeout=60)
    assert endless.returncode == 0, errors
    assert "finishing the frames in hand" in errors
    lines = records(endless.output.read_text(encoding="utf-8"))
    assert [line["frame"] for line in lines] == list(range(len(lines)))
    assert len(lines) < 1394
    with cv2_capture(tmp_path / "out.mp4") as capture:
        assert int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) == len(lines)


def test_a_second_signal_ends_at_once(endless, tmp_path):
    endless.send_signal(signal.SIGINT)
    while "finishing the frames in hand" not in (line := endless.stderr.readline()):
        assert line
    endless.send_signal(signal.SIGTERM)
    assert endless.wait(timeout=60) in (0, 130)  # 0 where it was finished before the second signal came
    assert "Traceback" not in endless.stderr.read()
    if endless.returncode == 130:
        assert not (tmp_path / "out.mp4").exists()


class cv2_capture:  # noqa: N801 (used like a function)
    def __init__(self, path):
        self._capture = cv2.VideoCapture(str(path))

    def __enter__(self):
        return self._capture

    def __exit__(self, *error):
        self._capture.release()


def test_a_trace_of_the_run_is_written_beside_its_results(bundle, faces, tmp_path):
    done = run(faces, "--bundle", bundle, "--faces-only", "--trace", tmp_path / "trace.json")
    assert done.returncode == 0, done.stderr
    assert len(records(done.stdout)) == 3
    assert "perfetto" in done.stderr
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    work = [event for event in events if event["ph"] == "X"]
    assert [event["name"] for event in work].count("sink") == 3
    assert sum(event["args"]["faces"] for event in work if event["name"] == "classify") == 3


def test_a_trace_that_cannot_be_written_is_told_before_anything_runs(bundle, faces, tmp_path):
    done = run(faces, "--bundle", bundle, "--faces-only", "--trace", tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--trace names a folder" in done.stderr
