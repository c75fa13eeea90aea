"""``fsrfer-train`` from outside: a folder of pictures in, a bundle and tables out."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from fsrfer.cli.launch import exit_code_of, load_app
from fsrfer.cli.train import _parse_epochs
from fsrfer.core.errors import UsageError

RECIPE = """
name = "tiny"
color = "gray"
input_size = 16
[extractor]
epochs = 2
batch_size = 8
[super_resolution]
epochs = 1
batch_size = 8
[super_resolution.weights]
feature = 1.0
[backbone]
stem_channels = 4
stage_channels = [6, 8]
blocks_per_stage = 1
[generator]
kind = "residual"
channels = 4
[validation]
face_sizes = [16, 8]
"""


def run(*words: str, cwd) -> subprocess.CompletedProcess[str]:
    code = "from fsrfer.cli.main import train; train()"
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "160"}
    return subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=False, cwd=cwd, env=environment
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with pictures of two expressions, a recipe, and a bundle that was trained on them."""
    folder = tmp_path_factory.mktemp("train")
    rng = np.random.default_rng(0)
    for split, count in (("train", 8), ("valid", 4), ("test", 4)):
        for level, label in ((60, "neutral"), (190, "happiness")):
            (folder / "faces" / split / label).mkdir(parents=True)
            for index in range(count):
                picture = np.clip(rng.normal(level, 20, (20, 20, 3)), 0, 255).astype(np.uint8)
                cv2.imwrite(str(folder / "faces" / split / label / f"{index}.png"), picture)
    (folder / "tiny.toml").write_text(RECIPE)
    done = run("fit", "--data", "folder:faces", "--recipe", "tiny.toml", "--output", "bundle", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "fsrfer-tiny on the test split" in done.stdout
    return folder


def test_fit_leaves_a_bundle(place):
    manifest = json.loads((place / "bundle" / "bundle.json").read_text())
    assert manifest["labels"] == ["neutral", "happiness"]
    assert manifest["recipe"]["extractor"]["epochs"] == 2
    assert set(manifest["artifacts"]) == {"weights", "model-card"}


def test_evaluate_reproduces_the_bundles_own_figures(place):
    done = run("evaluate", "bundle", "--data", "folder:faces", "--sizes", "16,8", "--json", cwd=place)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)["pytorch"]["sizes"]
    kept = json.loads((place / "bundle" / "bundle.json").read_text())["metrics"]["test"]["sizes"]
    assert told == kept


def test_evaluate_without_the_graph_says_how_to_make_it(place):
    done = run("evaluate", "bundle", "--data", "folder:faces", "--runners", "fp32", cwd=place)
    assert done.returncode == 1
    assert done.stderr.endswith("has no onnx-fp32. Next: fsrfer-export onnx bundle\n")


def together(*words: str, cwd) -> subprocess.Popen[str]:
    """Start two processes as the documentation says, by the console script of this environment."""
    program = Path(sys.executable).with_name("fsrfer-train")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--no-python"]
    return subprocess.Popen(
        [*torchrun, program, "fit", "--data", "folder:faces", "--recipe", "tiny.toml", *words],
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "160"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_torchrun_trains_the_same_bundle_with_two_processes(place):
    with together("--output", "two", cwd=place) as running:
        told, problems = running.communicate(timeout=120)
    assert running.returncode == 0, problems
    assert told.count("fsrfer-tiny on the test split") == 1
    assert problems.count("wrote two") == 1
    assert sorted(path.name for path in (place / "two").iterdir()) == sorted(
        path.name for path in (place / "bundle").iterdir()
    )
    one, two = (json.loads((place / name / "bundle.json").read_text()) for name in ("bundle", "two"))
    assert (one["provenance"]["processes"], two["provenance"]["processes"]) == (1, 2)
    left, right = (load_file(place / name / "weights.safetensors") for name in ("bundle", "two"))
    assert left.keys() == right.keys()
    for name, value in left.items():
        np.testing.assert_allclose(value.astype(float), right[name].astype(float), atol=2e-3, err_msg=name)


@pytest.mark.slow
def test_an_interrupt_ends_both_processes_and_the_same_command_goes_on(place):
    words = ("--output", "interrupted", "--epochs", "4000,1")
    with together(*words, cwd=place) as running:
        while not (place / "interrupted" / "checkpoints" / "extractor.safetensors").is_file():
            assert running.poll() is None, running.stderr.read()
            time.sleep(0.05)
        running.send_signal(signal.SIGINT)
        told, problems = running.communicate(timeout=60)
    assert running.returncode != 0
    assert "on the test split" not in told
    # Both pipes are at their end, so nobody who held them lives. What is left is a whole checkpoint, and no bundle.
    assert not (place / "interrupted" / "bundle.json").exists()
    kept = load_file(place / "interrupted" / "checkpoints" / "extractor.safetensors")
    assert any(name.startswith("optimizer/") for name in kept)
    with together(*words, "--seed", "1", cwd=place) as running:
        _, problems = running.communicate(timeout=120)
    assert running.returncode == 1
    assert all(f"error: process {rank} of 2: checkpoint " in problems for rank in (0, 1))
    assert "belongs to another run" in problems


def test_showcase_draws_a_picture(place):
    words = (
        "showcase",
        "bundle",
        "--data",
        "folder:faces",
        "--output",
        "shown.png",
        "--face-size",
        "8",
        "--faces",
        "4",
    )
    done = run(*words, cwd=place)
    assert done.returncode == 0, done.stderr
    picture = cv2.imread(str(place / "shown.png"))
    assert picture.shape[1] > 600
    assert picture.std() > 10


def test_recipes_are_listed(place):
    done = run("recipes", cwd=place)
    assert done.returncode == 0
    assert all(name in done.stdout for name in ("demo", "edge", "paper"))


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("fit", "--data", "folder:nowhere", "--output", "x"), 1, "nowhere"),
        (
            ("fit", "--data", "folder:faces", "--recipe", "tiny.toml", "--output", "x", "--pieces", "9"),
            2,
            "9 pieces and 1 processes; found 8 faces in a batch",
        ),
        (("fit", "--data", "faces", "--output", "x"), 2, "folder:faces"),
        (("fit", "--data", "folder:faces", "--recipe", "bogus", "--output", "x"), 1, "no recipe 'bogus'"),
        (("fit", "--data", "folder:faces", "--epochs", "many", "--output", "x"), 2, "--epochs cannot be read"),
        (("fit", "--data", "folder:faces", "--epochs", "0,1", "--output", "x"), 2, "--epochs cannot be read"),
        (("fit", "--data", "folder:faces"), 2, "--output"),
        (("evaluate", "bundle", "--runners", "bogus"), 2, "--runners cannot be read"),
        (("evaluate", "nowhere"), 1, "is not a model bundle"),
        (("fit", "--data", "folder:faces", "--seed", "-1", "--output", "x"), 2, "Invalid value for '--seed'"),
        (("fit", "--data", "folder:faces", "--device", "cuda:99", "--output", "x"), 1, "there is no device cuda:99"),
        (("showcase", "bundle", "--data", "folder:faces", "--output", "shown.txt"), 2, ".png"),
        (
            ("showcase", "bundle", "--data", "folder:faces", "--output", "x.png", "--face-size", "40"),
            1,
            "at most 20 px",
        ),
        (("evaluate", "bundle", "--data", "folder:faces", "--sizes", "big"), 2, "--sizes cannot be read"),
    ],
)
def test_mistakes_end_with_their_code_and_one_line(place, monkeypatch, capsys, words, code, told):
    """In this process: starting one for each would take half a minute."""
    monkeypatch.chdir(place)
    assert exit_code_of(lambda: load_app("train")(list(words))) == code
    assert told in capsys.readouterr().err
    assert not (place / "x").exists()


@pytest.mark.parametrize(("text", "epochs"), [("6,2", (6, 2)), (" 1 , 0 ", (1, 0)), ("12,3", (12, 3))])
def test_epochs_are_read(text, epochs):
    assert _parse_epochs(text) == epochs


@pytest.mark.parametrize("text", ["", "6", "6,", "6,2,1", "0,2", "-1,2", "6,-1", "1.5,2", "six,2"])
def test_impossible_epochs_are_refused(text):
    with pytest.raises(UsageError, match="--epochs cannot be read"):
        _parse_epochs(text)


def test_another_runs_checkpoint_stops_fit_and_no_resume_starts_anew(place):
    checkpoint = place / "anew" / "checkpoints" / "extractor.safetensors"
    checkpoint.parent.mkdir(parents=True)
    save_file({}, checkpoint, metadata={"fingerprint": "of another recipe"})
    words = ("fit", "--data", "folder:faces", "--recipe", "tiny.toml", "--epochs", "1,0", "--output", "anew")
    refused = run(*words, cwd=place)
    assert refused.returncode == 1
    assert "belongs to another run" in refused.stderr
    assert "--no-resume" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not (place / "anew" / "bundle.json").exists()
    done = run(*words, "--no-resume", cwd=place)
    assert done.returncode == 0, done.stderr
    manifest = json.loads((place / "anew" / "bundle.json").read_text())
    assert manifest["recipe"]["extractor"]["epochs"] == 1
    assert manifest["architecture"]["generator"]["kind"] == "none"
    assert not checkpoint.parent.exists()


def test_a_card_is_written_anew_and_the_rest_stays(place, tmp_path):
    shutil.copytree(place / "bundle", tmp_path / "bundle")
    path = tmp_path / "bundle" / "bundle.json"
    before = json.loads(path.read_text())
    del before["metrics"]["test_smaller"], before["metrics"]["abstention_realistic"]
    before["metrics"]["remarks"] = {"On real crops": "Coats are happy."}
    path.write_text(json.dumps(before))
    done = run("card", str(tmp_path / "bundle"), "--data", "folder:faces", cwd=place)
    assert done.returncode == 0, done.stderr
    after = json.loads(path.read_text())
    for key in ("temperatures", "recipe", "provenance"):
        assert after[key] == before[key]
    assert after["artifacts"]["weights"] == before["artifacts"]["weights"]
    assert after["metrics"]["test"] == before["metrics"]["test"]
    assert [row["face_size_px"] for row in after["metrics"]["test_smaller"]["sizes"]] == [7, 6, 5, 4]
    assert "abstention_realistic" in after["metrics"]
    assert "Coats are happy." in (tmp_path / "bundle" / "MODEL_CARD.md").read_text()


def test_a_card_is_of_the_faces_that_the_model_was_trained_with(place):
    done = run("card", "bundle", "--data", "procedural?count=40", cwd=place)
    assert done.returncode == 2
    assert "was trained on other faces" in done.stderr
