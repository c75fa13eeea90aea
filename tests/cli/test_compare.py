"""``fsrfer-train compare`` on a folder in RAF-DB's layout, made from drawn faces."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from fsrfer.cli.compare import _parse_protocol
from fsrfer.cli.tracks import parse_tracks
from fsrfer.core import ModelBundle
from fsrfer.core.errors import UsageError
from fsrfer.core.labels import RAFDB_LABELS
from fsrfer.datasets import Track, open_dataset

CODE = "from fsrfer.cli.main import train; train()"
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "220"}


def run(*words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", CODE, "compare", *map(str, words)],
        capture_output=True, text=True, check=False, cwd=cwd, env=ENVIRONMENT,
    )  # fmt: skip


@pytest.fixture(scope="module")
def rafdb(tmp_path_factory) -> Path:
    """140 drawn faces of 100 px as RAF-DB lays them out; its list counts expressions from 1."""
    folder = tmp_path_factory.mktemp("rafdb")
    (folder / "EmoLabel").mkdir()
    (folder / "Image" / "aligned").mkdir(parents=True)
    lines = []
    for split, count in (("train", 105), ("test", 35)):
        faces = open_dataset(f"procedural?count={count}&size=100", split)
        for index in range(count):
            sample = faces[index]
            name = f"{split}_{index + 1:05d}"
            code = RAFDB_LABELS.index(faces.labels[sample.label]) + 1
            lines.append(f"{name}.jpg {code}\n")
            path = folder / "Image" / "aligned" / f"{name}_aligned.jpg"
            cv2.imwrite(str(path), cv2.cvtColor(sample.image, cv2.COLOR_RGB2BGR))
    (folder / "EmoLabel" / "list_patition_label.txt").write_text("".join(lines))
    return folder


@pytest.fixture(scope="module")
def compared(rafdb, tmp_path_factory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """The documented command, shortened: both recipes and the paper's protocol."""
    place = tmp_path_factory.mktemp("compare")
    result = run(
        "--data", f"rafdb:{rafdb}", "--methods", "paper,edge", "--sizes", "x1..x8", "--epochs", 1, "--store", "store",
        "--output", "results", cwd=place,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return place, result


@pytest.mark.slow
def test_one_command_trains_both_recipes_and_prints_the_papers_protocol(compared):
    place, result = compared
    for size in (100, 50, 34, 25, 20, 17, 15, 13):
        for track in ("clean", "realistic-1, seed 0"):
            assert f"{size} px, track {track}, 35 faces" in result.stdout
    rows = re.findall(r"(P FSR-FER|Ours) .*?(\d+\.\d\d)% \[", result.stdout)
    assert len(rows) == 2 * 2 * 8
    written = json.loads((place / "results" / "comparison.json").read_text())
    assert written["sizes"] == [100, 50, 34, 25, 20, 17, 15, 13]
    assert [method["key"] for method in written["methods"]] == ["paper", "edge"]
    costs = written["methods"][1]["costs"]["13"]
    assert costs["parameters"] <= 2_000_000
    assert costs["macs"] <= 150_000_000
    assert costs["latency_ms"] > 0
    assert len(written["methods"][0]["tracks"]["clean"]["labels"]) == 7
    assert "| P FSR-FER |" in (place / "results" / "comparison.md").read_text()
    assert (place / "results" / "accuracy.png").stat().st_size > 10_000


@pytest.mark.slow
def test_each_recipe_begins_with_its_teacher(compared):
    store = compared[0] / "store"
    assert sorted(folder.name for folder in store.iterdir()) == ["edge", "full-size", "mixed", "paper"]
    for name, teacher in (("paper", "full-size"), ("edge", "mixed")):
        sha256 = ModelBundle.load(store / teacher).manifest.artifacts["weights"].sha256
        assert ModelBundle.load(store / name).manifest.provenance.parents == {"extractor": sha256}


@pytest.mark.slow
def test_what_is_trained_is_loaded_and_gives_the_same_figures(compared, rafdb):
    place, _ = compared
    again = run(
        "--data", f"rafdb:{rafdb}", "--methods", "edge", "--sizes", "48,12", "--store", "store", "--no-train",
        "--epochs", 1, "--no-latency", "--output", "again", cwd=place,
    )  # fmt: skip
    assert again.returncode == 0, again.stderr
    assert "training" not in again.stderr
    stored = ModelBundle.load(place / "store" / "edge").manifest.metrics["test"]["sizes"]
    (method,) = json.loads((place / "again" / "comparison.json").read_text())["methods"]
    for row in method["tracks"]["clean"]["sizes"]:
        (same,) = (entry for entry in stored if entry["face_size_px"] == row["face_size_px"])
        assert row["confusion"] == same["confusion"]
        assert row["accuracy"] == same["accuracy"]
    assert method["costs"]["12"]["latency_ms"] is None


@pytest.mark.slow
def test_what_was_evaluated_is_not_evaluated_again(compared, rafdb):
    place, _ = compared
    words = (
        "--data", f"rafdb:{rafdb}", "--sizes", "48,12", "--tracks", "clean", "--store", "store", "--no-train",
        "--epochs", 1, "--no-latency", "--output", "kept",
    )  # fmt: skip
    first = run(*words, "--methods", "edge", cwd=place)
    assert first.returncode == 0, first.stderr
    assert "were there already" not in first.stderr
    second = run(*words, "--methods", "edge,paper", cwd=place)
    assert second.returncode == 0, second.stderr
    assert "4 of 8 evaluations were there already" in " ".join(second.stderr.split())
    written = json.loads((place / "kept" / "comparison.json").read_text())
    assert [method["key"] for method in written["methods"]] == ["edge", "paper"]
    files = sorted(str(path.relative_to(place / "kept")) for path in (place / "kept").rglob("*.npz"))
    assert [name for name in files if "edge" in name] == [
        f"logits/edge/{split}-clean-{size}px.npz" for split in ("test", "valid") for size in (12, 48)
    ]


@pytest.mark.slow
def test_networks_of_a_trial_are_not_taken_for_real_ones(compared, rafdb):
    place, _ = compared
    result = run("--data", f"rafdb:{rafdb}", "--methods", "edge", "--store", "store", "--no-latency", cwd=place)
    assert result.returncode == 2
    told = " ".join(result.stderr.split())
    assert "the stored edge was trained by other settings; expected extractor.epochs 74" in told
    assert "give another --store, or the options that it was made with" in told


@pytest.mark.slow
def test_the_papers_method_was_trained_on_the_factors_of_the_faces(compared):
    recipe = ModelBundle.load(compared[0] / "store" / "paper").manifest.recipe
    assert recipe["super_resolution"]["face_sizes"]["choices"] == [48, 34, 25, 20, 17, 15, 13]


@pytest.mark.slow
def test_methods_whose_networks_are_not_there_are_left_out_and_named(compared, rafdb):
    place, _ = compared
    result = run(
        "--data", f"rafdb:{rafdb}", "--methods", "experts,edge,full-size", "--sizes", "48", "--tracks", "clean",
        "--epochs", 1, "--store", "store", "--no-train", "--no-latency", "--output", "some", cwd=place,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    told = " ".join(result.stderr.split())
    assert "left out: B3 routed experts (experts), no expert-24, expert-16, expert-12, expert-8 in store" in told
    methods = json.loads((place / "some" / "comparison.json").read_text())["methods"]
    assert [method["key"] for method in methods] == ["edge", "full-size"]  # ours is not the last one
    assert (place / "some" / "abstention.png").is_file()


@pytest.mark.slow
def test_the_abstention_curve_is_of_ours(compared, rafdb):
    place, _ = compared
    result = run(
        "--data", f"rafdb:{rafdb}", "--methods", "full-size", "--sizes", "48", "--tracks", "clean", "--epochs", 1,
        "--store", "store", "--no-train", "--no-latency", "--output", "baseline", cwd=place,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert {path.name for path in (place / "baseline").iterdir()} == {
        "comparison.json", "comparison.md", "accuracy.png", "logits"
    }  # fmt: skip


def test_an_output_that_cannot_be_a_folder_is_refused_before_anything_is_trained(tmp_path):
    (tmp_path / "taken").write_text("not a folder")
    for output in ("taken", "taken/below"):
        result = run("--data", "procedural?count=70", "--store", "store", "--output", output, cwd=tmp_path)
        assert result.returncode == 2
        told = " ".join(result.stderr.split())
        assert f"--output cannot be written to; expected a folder that may be written to; found {output}" in told
    assert not (tmp_path / "store").exists()


@pytest.mark.slow
def test_networks_of_other_faces_are_refused(compared):
    place, _ = compared
    result = run(
        "--data", "procedural?count=70", "--methods", "edge", "--store", "store", "--no-latency", cwd=place
    )  # fmt: skip
    assert result.returncode == 2
    assert "the stored edge was trained on other faces" in result.stderr
    assert "give another --store" in result.stderr


@pytest.mark.slow
def test_every_method_runs_from_nothing(tmp_path):
    result = run(
        "--data", "procedural?count=70", "--sizes", "48,8", "--tracks", "clean", "--epochs", 1, "--store", "store",
        "--output", "results", cwd=tmp_path,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    methods = json.loads((tmp_path / "results" / "comparison.json").read_text())["methods"]
    assert len(methods) == 13
    macs = {method["key"]: method["costs"]["8"]["macs"] for method in methods}
    assert macs["full-size"] == macs["mixed"] == macs["experts"]
    assert macs["mixed-mirrored"] == 2 * macs["mixed"]
    assert macs["voting"] == 10 * macs["full-size"]
    assert macs["restoration"] > macs["full-size"]
    assert all(method["costs"]["8"]["latency_ms"] > 0 for method in methods)


def test_no_network_at_all_is_told(tmp_path):
    result = run(
        "--data", "procedural?count=70", "--methods", "experts", "--store", "store", "--no-train", cwd=tmp_path
    )
    assert result.returncode == 2
    told = " ".join(result.stderr.split())
    assert "no full-size, expert-24, expert-16, expert-12, expert-8 in store" in told
    assert "store has no method whose networks are all there" in told
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--methods", "edge,magic"], "some of full-size, mixed"),
        (["--methods", "edge,edge"], "--methods cannot be read"),
        (["--tracks", "muddy"], "some of clean, realistic"),
        (["--sizes", "x1..x9"], "--sizes cannot be read"),
    ],
)
def test_misuse_is_told_before_any_training(tmp_path, words, told):
    result = run("--data", "procedural?count=70", "--store", "store", *words, cwd=tmp_path)
    assert result.returncode == 2
    assert told in " ".join(result.stderr.split())
    assert not (tmp_path / "store").exists()


def test_tracks_and_protocols_are_parsed():
    assert parse_tracks("realistic, clean") == (Track.REALISTIC, Track.CLEAN)
    with pytest.raises(UsageError):
        parse_tracks("clean,clean")
    faces = open_dataset("procedural?count=7&size=100", "test")
    assert _parse_protocol("x1..x8", faces) == (100, 50, 34, 25, 20, 17, 15, 13)
    assert _parse_protocol("48,12", faces) == (48, 12)
