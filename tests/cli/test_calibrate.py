"""``fsrfer-calibrate`` as a user types it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace

import cv2
import numpy as np
import pytest

from fsrfer.core import ArtifactKind, ModelBundle
from fsrfer.datasets import open_dataset

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


def test_faces_of_the_test_split_are_left_out(bundle, faces, tmp_path):
    shutil.copytree(faces, tmp_path / "leaky")
    for label in LABELS:
        shutil.copy(faces / "train" / label / "0.png", tmp_path / "leaky" / "test" / label / "0.png")
    words = ("int8", bundle.path, "--samples", 24, "--held-out", 6, "--sizes", "24,12", "--min-agreement", 0, "--json")
    done = run(*words, "--data", f"folder:{tmp_path / 'leaky'}")
    calibration = json.loads(done.stdout)
    assert calibration["calibrated_on"]["left_out"] + calibration["checked_on"]["left_out"] > 0
    refused = run(*words, "--data", f"folder:{faces}", "--split", "test")
    assert refused.returncode == 1
    assert "not calibrated on what it is judged on" in refused.stderr


def test_recorded_crops_have_no_test_split_and_that_is_said(bundle, faces, tmp_path):
    shutil.copytree(faces / "train", tmp_path / "recorded" / "train")
    words = ("--samples", 12, "--held-out", 6, "--sizes", "24,12", "--min-agreement", 0, "--json")
    done = run("int8", bundle.path, "--data", f"folder:{tmp_path / 'recorded'}", *words)
    assert done.returncode == 0, done.stderr
    assert "no test split to compare with" in done.stderr
    assert json.loads(done.stdout)["calibrated_on"]["left_out"] is None


def test_a_percentile_without_effect_is_refused(bundle, faces):
    words = ("int8", bundle.path, "--data", f"folder:{faces}", "--samples", 12, "--held-out", 6, "--sizes", "24,12")
    refused = run(*words, "--method", "minmax", "--percentile", 99.9)
    assert refused.returncode == 2
    assert "no effect on minmax" in refused.stderr
    done = run(*words, "--percentile", 99.9, "--min-agreement", 0, "--json")
    assert json.loads(done.stdout)["method"] == "percentile"


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
    assert [(row["face_size_px"], row["track"].partition("-")[0]) for row in rows] == [
        (size, track) for size in (12, 24) for track in ("clean", "realistic")
    ]
    assert [(band.min_face_px, band.temperature) for band in bands for _ in range(2)] == [
        (row["min_face_px"], row["temperature"]) for row in rows
    ]
    # The network is random: the best it can do is to admit that it knows nothing.
    assert all(row["ece_after"] <= row["ece_before"] + 0.05 for row in rows)
    again = json.loads(run(*words, "--json").stdout)
    assert [row["ece_before"] for row in again] == pytest.approx([row["ece_after"] for row in rows])
    assert "ECE after" in run(*words, "--tracks", "realistic").stdout


def test_metrics_and_card_follow_the_temperatures(bundle, faces):
    known = ModelBundle.load(bundle.path).manifest
    test_id = open_dataset(f"folder:{faces}", "test").dataset_id
    provenance = replace(known.provenance, dataset_ids=("their/train", "their/valid", test_id))
    bundle.record(provenance=provenance, recipe={"name": "tiny"})
    words = ("temperature", bundle.path, "--data", f"folder:{faces}", "--sizes", "24,12")
    assert run(*words).returncode == 0
    manifest = ModelBundle.load(bundle.path).manifest
    assert [row["face_size_px"] for row in manifest.metrics["test"]["sizes"]] == [24, 12]
    assert [row["face_size_px"] for row in manifest.metrics["test_smaller"]["sizes"]] == [7, 6, 5, 4]
    assert {"valid_realistic", "test_realistic", "abstention", "abstention_realistic"} <= set(manifest.metrics)
    bundle.store(ArtifactKind.MODEL_CARD, lambda path: path.write_text("old"))

    elsewhere = faces.parent / "other"
    shutil.copytree(faces, elsewhere, dirs_exist_ok=True)
    for label in LABELS:
        (elsewhere / "test" / label / "0.png").unlink(missing_ok=True)
    done = run("temperature", bundle.path, "--data", f"folder:{elsewhere}", "--sizes", "24,12", "--tracks", "clean")
    assert done.returncode == 0, done.stderr
    assert "is not the model's test split" in done.stderr
    changed = ModelBundle.load(bundle.path)
    assert "ece" not in changed.manifest.metrics["test"]["sizes"][0]
    assert "abstention" not in changed.manifest.metrics
    assert changed.manifest.metrics["calibrated_on"]["tracks"] == ["clean"]
    card = changed.artifact_path(ArtifactKind.MODEL_CARD).read_text()
    assert "not measured" in card
    assert run(*words).returncode == 0
    card = ModelBundle.load(bundle.path).artifact_path(ArtifactKind.MODEL_CARD).read_text()
    assert "not measured" not in card
    first = ModelBundle.load(bundle.path).manifest.temperatures[0]
    assert f"{first.temperature:g} from 0 px" in card


def test_a_track_that_does_not_exist_is_named(bundle, faces):
    done = run("temperature", bundle.path, "--data", f"folder:{faces}", "--tracks", "dirty")
    assert done.returncode == 2
    assert "clean, realistic" in done.stderr


def test_temperatures_need_faces_of_the_models_expressions(bundle, tmp_path):
    done = run("temperature", bundle.path, "--data", f"folder:{tmp_path}")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def test_layers_are_ranked_and_a_mix_is_found_and_stored(bundle, faces, tmp_path):
    words = ("sensitivity", bundle.path, "--data", f"folder:{faces}", "--sizes", "24,12", "--samples", 12)
    done = run(*words, "--ranked-on", 12, "--max-drop", 100, "--store", "--output", tmp_path / "report", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result == json.loads((tmp_path / "report" / "sensitivity.json").read_text())
    assert [layer["worst"] for layer in result["layers"]] == sorted(
        (x["worst"] for x in result["layers"]), reverse=True
    )
    assert result["mix"]["kept_float"] == []
    assert set(result["times_fp32_speed"]) == {"all INT8", "this mix"}
    assert all(times > 0 for times in result["times_fp32_speed"].values())
    assert (tmp_path / "report" / "sensitivity.png").stat().st_size > 5_000
    assert ModelBundle.load(bundle.path).has(ArtifactKind.ONNX_INT8_CPU)
    table = run(*words, "--target", "tensorrt", "--ranked-on", 12)
    assert "damage of INT8 in each layer alone" in table.stdout


def test_there_is_no_mix_to_store_where_none_is_looked_for(bundle, faces):
    done = run("sensitivity", bundle.path, "--data", f"folder:{faces}", "--store")
    assert done.returncode == 2
    assert "give --max-drop" in done.stderr
