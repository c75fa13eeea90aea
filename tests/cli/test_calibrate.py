"""``fsrfer-calibrate`` as a user types it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest

from fsrfer.core import ArtifactKind, ModelBundle

LABELS = ("neutral", "happiness", "surprise")


def run(*words: object) -> subprocess.CompletedProcess[str]:
    code = "from fsrfer.cli.main import calibrate; calibrate()"
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "160"},
    )


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """A folder of pictures in which every split has each expression."""
    folder = tmp_path_factory.mktemp("faces")
    rng = np.random.default_rng(0)
    for split in ("train", "valid", "test"):
        for label in LABELS:
            (folder / split / label).mkdir(parents=True)
            for index in range(8):
                picture = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
                cv2.imwrite(str(folder / split / label / f"{index}.png"), picture)
    return folder


@pytest.fixture
def bundle(make_bundle, tmp_path) -> ModelBundle:
    return make_bundle(tmp_path / "bundle", LABELS)


def test_both_graphs_are_stored_and_reported(bundle, faces):
    words = ("int8", bundle.path, "--data", f"folder:{faces}", "--samples", 24, "--held-out", 12, "--sizes", "24,12")
    done = run(*words, "--min-agreement", 0, "--json")
    assert done.returncode == 0, done.stderr
    stored = ModelBundle.load(bundle.path)
    assert stored.has(ArtifactKind.ONNX_INT8_CPU)
    assert stored.has(ArtifactKind.ONNX_INT8_TENSORRT)
    assert json.loads(done.stdout) == stored.manifest.calibration
    by_size = stored.manifest.calibration["calibrated_on"]["by_size"]
    assert by_size["24"] + by_size["12"] == 24
    assert abs(by_size["24"] - by_size["12"]) <= 2
    table = run(*words, "--min-agreement", 0)
    assert "held-out faces" in table.stdout
    assert "24 px" in table.stdout


def test_calibration_needs_data(bundle):
    done = run("int8", bundle.path)
    assert done.returncode == 2
    assert "--data" in done.stderr


def test_a_pattern_without_a_node_is_one_line(bundle, faces):
    done = run("int8", bundle.path, "--data", f"folder:{faces}", "--keep-fp32", "^generator")
    assert done.returncode == 1
    assert "no node's name matches ^generator" in done.stderr
    assert "Traceback" not in done.stderr


def test_temperatures_are_fitted_and_kept(bundle, faces):
    words = ("temperature", bundle.path, "--data", f"folder:{faces}", "--sizes", "24,12")
    done = run(*words, "--json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    bands = ModelBundle.load(bundle.path).manifest.temperatures
    assert [(band.min_face_px, band.temperature) for band in bands] == [
        (row["min_face_px"], row["temperature"]) for row in rows
    ]
    assert [row["face_size_px"] for row in rows] == [12, 24]
    # The network is random: the best it can do is to admit that it knows nothing.
    assert all(row["ece_after"] <= row["ece_before"] + 0.05 for row in rows)
    again = json.loads(run(*words, "--json").stdout)
    assert [row["ece_before"] for row in again] == pytest.approx([row["ece_after"] for row in rows])
    assert "ECE after" in run(*words, "--track", "realistic").stdout


def test_temperatures_need_faces_of_the_models_expressions(bundle, tmp_path):
    done = run("temperature", bundle.path, "--data", f"folder:{tmp_path}")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
