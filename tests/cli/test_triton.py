"""``fsrfer-export triton`` and ``fsrfer-run --backend triton://...`` as users start them."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest

from fsrfer.cli.model_choice import ModelChoice
from fsrfer.core.options import Precision, Provider


def run(command, *words):
    code = f"from fsrfer.cli.main import {command} as command; command()"
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, "COLUMNS": "160"},
    )


@pytest.fixture(scope="module")
def bundle(make_bundle, tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("bundles") / "tiny", conditioned=True)


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """A folder of three ready-made face crops."""
    folder = tmp_path_factory.mktemp("faces")
    for index, side in enumerate((12, 24, 48)):
        image = np.random.default_rng(index).integers(0, 255, (side, side, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f"face-{index}.png"), image)
    return folder


@pytest.fixture(scope="module")
def repository(bundle, tmp_path_factory):
    folder = tmp_path_factory.mktemp("served") / "repository"
    done = run("export", "triton", bundle.path, "--out", folder, "--json")
    assert done.returncode == 0, done.stderr
    exported = json.loads(done.stdout)
    assert exported["name"] == "tiny"
    assert exported["plan"]["queue_delay_us"] == 0
    assert f"wrote {folder / 'tiny'}" in done.stderr
    return folder


def test_a_profile_is_measured_and_taken(bundle, tmp_path):
    profile = tmp_path / "profile.json"
    words = ("--precision", "fp32", "--batch", "1,8,32", "--seconds", 0.1, "--warmup", 0, "--json", profile)
    assert run("profile", bundle.path, *words).returncode == 0
    done = run("export", "triton", bundle.path, "--out", tmp_path / "r", "--profile", profile)
    assert done.returncode == 0, done.stderr
    assert "derived from the profile profile.json" in done.stdout


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--precision", "fp16"), 2, "does not serve fp16"),
        (("--backend", "tensorrt", "--precision", "fp16"), 1, r"has no fp16 engine for tensorrt"),
        (("--precision", "int8"), 1, "Next: fsrfer-calibrate int8"),
        (("--profile", "absent.json"), 2, "absent.json is no profile"),
        (("--name", "a/b"), 2, "impossible name"),
        (("--latency-budget-ms", 200), 2, "from the latency budget alone"),
    ],
)
def test_what_cannot_be_exported_is_one_line(bundle, tmp_path, words, code, said):
    done = run("export", "triton", bundle.path, "--out", tmp_path / "r", *words)
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "r").exists()


def test_a_run_on_the_server_says_what_a_run_here_says(repository, bundle, faces, triton_server, tmp_path):
    with triton_server.TritonServer(repository, log=tmp_path / "log") as server:
        address = f"triton://{server.grpc_address}/tiny"
        there = run("run", faces, "--faces-only", "--bundle", bundle.path, "--backend", f"{address}#deadline_ms=60000")
        here = run("run", faces, "--faces-only", "--bundle", bundle.path)
    assert there.returncode == 0, there.stderr
    assert [json.loads(line)["faces"] for line in there.stdout.splitlines()] == [
        json.loads(line)["faces"] for line in here.stdout.splitlines()
    ]
    assert len(there.stdout.splitlines()) == 3
    assert f"tiny (fp32) on {address}" in there.stderr
    assert "were not read" not in there.stderr
    assert "Traceback" not in there.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (
            ("--backend", "openvino"),
            2,
            "there is no such backend; expected onnxruntime, tensorrt, tensorrt-rtx or triton",
        ),
        (("--backend", "triton://host"), 2, "cannot understand triton://host"),
        (
            ("--backend", "triton://host/tiny", "--engine"),
            2,
            "--engine and --provider choose what runs on this machine",
        ),
        (("--backend", "triton://host/tiny", "--provider", "cuda"), 2, "--engine and --provider"),
        (("--backend", "triton://me:pa55@host/tiny"), 2, "holds credentials"),
    ],
)
def test_wrong_backends_are_one_line(bundle, faces, words, code, said):
    done = run("run", faces, "--faces-only", "--bundle", bundle.path, *words)
    assert done.returncode == code
    assert said in done.stderr
    assert "pa55" not in done.stderr
    assert "Traceback" not in done.stderr


def test_a_server_that_is_not_there_is_one_line(bundle, faces, triton_server):
    address = f"triton://127.0.0.1:{triton_server.free_port()}/tiny"
    done = run("run", faces, "--faces-only", "--bundle", bundle.path, "--backend", address)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "did not read the faces; found UNAVAILABLE" in done.stderr


@pytest.mark.parametrize("keep_trying", [False, True])
def test_keep_trying_is_about_servers_too(keep_trying):
    choice = ModelChoice.parsed(None, Precision.FP32, "triton://host/tiny", Provider.CPU, keep_trying=keep_trying)
    assert choice.backend.keep_trying is keep_trying
