"""A whole run: what it writes, what it keeps, and that it survives being killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from fsrfer.core import ArtifactKind, ModelBundle
from fsrfer.core.errors import CheckpointError, DatasetError
from fsrfer.core.schema import to_mapping
from fsrfer.training import FitOptions, TrainingData, fit
from fsrfer.training.models import load_network
from fsrfer.training.progress import Silence


class Record(Silence):
    def __init__(self) -> None:
        self.losses: dict[str, list[float]] = {}
        self.scores: dict[str, list[float]] = {}
        self.begins: dict[str, tuple[int, int]] = {}

    def stage(self, name, done, total):
        self.begins[name] = (done, total)

    def step(self, name, step, scalars):
        self.losses.setdefault(name, []).append(scalars["loss"])

    def epoch(self, name, step, scalars):
        self.scores.setdefault(name, []).append(scalars["mean_accuracy"])


def weights_of(bundle: ModelBundle) -> dict[str, torch.Tensor]:
    return load_file(bundle.artifact_path(ArtifactKind.WEIGHTS))


def assert_equal_weights(one: ModelBundle, other: ModelBundle) -> None:
    left, right = weights_of(one), weights_of(other)
    assert left.keys() == right.keys()
    different = [name for name, value in left.items() if not torch.equal(value, right[name])]
    assert not different


def test_a_run_writes_a_whole_bundle(recipe, data, tmp_path):
    record = Record()
    bundle = fit(recipe, data, tmp_path / "bundle", seed=3, progress=record)
    manifest = ModelBundle.load(bundle.path).manifest
    assert manifest.labels == data.train.labels
    assert manifest.recipe == to_mapping(recipe)
    assert manifest.provenance.seed == 3
    assert manifest.provenance.dataset_ids == data.dataset_ids
    assert manifest.graph.face_size_input == "face_size"
    assert [row["face_size_px"] for row in manifest.metrics["test"]["sizes"]] == [16, 8]
    assert all(row["count"] == 30 for row in manifest.metrics["test"]["sizes"])
    card = bundle.artifact_path(ArtifactKind.MODEL_CARD).read_text()
    assert data.test.dataset_id in card
    assert "| 8 px | 30 |" in card
    assert list((bundle.path / "tensorboard").glob("events.*"))
    assert not (bundle.path / "checkpoints").exists()
    stage = recipe.super_resolution
    assert record.begins["super-resolution"] == (0, 3 * (stage.epochs + stage.pretrain_epochs))


def test_the_same_seed_gives_the_same_weights_and_another_does_not(edge_recipe, data, tmp_path):
    one, two, three = (
        fit(edge_recipe, data, tmp_path / name, seed=seed) for name, seed in (("a", 0), ("b", 0), ("c", 1))
    )
    assert_equal_weights(one, two)
    assert any(not torch.equal(value, weights_of(three)[name]) for name, value in weights_of(one).items())


@pytest.mark.slow
def test_stripes_are_learnt(edge_recipe, data, tmp_path):
    record = Record()
    bundle = fit(edge_recipe.with_epochs(40, 4), data, tmp_path / "bundle", progress=record)
    assert np.mean(record.losses["extractor"][-5:]) < 0.5 * np.mean(record.losses["extractor"][:5])
    assert bundle.manifest.metrics["test"]["sizes"][0]["accuracy"]["value"] > 0.9


def test_what_is_kept_is_the_best_epoch_of_the_validation_split(edge_recipe, data, tmp_path):
    record = Record()
    options = FitOptions(keep_checkpoints=True)
    bundle = fit(edge_recipe.with_epochs(6, 3), data, tmp_path / "bundle", progress=record, options=options)
    kept = load_file(bundle.path / "checkpoints" / "super-resolution.safetensors")
    for name, value in weights_of(bundle).items():
        assert torch.equal(value, kept[f"module/best/{name}"])
    scores = record.scores["super-resolution"]
    assert len(scores) == 3
    network = load_network(bundle)
    assert not network.training


def test_the_papers_extractor_is_frozen_to_the_bit(paper_recipe, data, tmp_path):
    options = FitOptions(keep_checkpoints=True)
    bundle = fit(paper_recipe, data, tmp_path / "bundle", options=options)
    teacher = load_file(bundle.path / "checkpoints" / "extractor.safetensors")
    final = weights_of(bundle)
    shared = [name for name in final if not name.startswith("generator.")]
    assert len(shared) > 10
    for name in shared:
        assert torch.equal(final[name], teacher[f"module/best/{name}"]), name


def test_without_a_second_stage_the_first_is_the_model(edge_recipe, data, tmp_path):
    bundle = fit(edge_recipe.with_epochs(2, 0), data, tmp_path / "bundle")
    assert bundle.manifest.graph.face_size_input is None
    assert not any(name.startswith("generator.") for name in weights_of(bundle))


def test_splits_with_different_labels_are_refused(data):
    class Renamed:
        labels = ("a", "b", "c")

    with pytest.raises(DatasetError, match="different labels"):
        TrainingData(data.train, Renamed(), data.test)


def test_another_recipe_does_not_go_on_from_a_checkpoint(edge_recipe, data, tmp_path):
    output = tmp_path / "bundle"
    fit(edge_recipe, data, output, options=FitOptions(keep_checkpoints=True))
    with pytest.raises(CheckpointError, match="belongs to another run"):
        fit(replace(edge_recipe, crop_margin=0.3), data, output)
    fit(replace(edge_recipe, crop_margin=0.3), data, output, options=FitOptions(resume=False))


def test_a_finished_run_is_not_trained_again(edge_recipe, data, tmp_path):
    options = FitOptions(keep_checkpoints=True)
    one = fit(edge_recipe, data, tmp_path / "bundle", options=options)
    before = weights_of(one)
    record = Record()
    two = fit(edge_recipe, data, tmp_path / "bundle", options=options, progress=record)
    assert record.losses == {}
    assert all(torch.equal(value, before[name]) for name, value in weights_of(two).items())


TRAIN = """
import sys
from importlib import util
from pathlib import Path
spec = util.spec_from_file_location("training_conftest", sys.argv[1])
tiny = util.module_from_spec(spec)
spec.loader.exec_module(tiny)
from fsrfer.training import FitOptions, TrainingData, fit
from fsrfer.training.progress import Silence
class Tell(Silence):
    def step(self, name, step, scalars):
        print(name, step, flush=True)
recipe = {"edge": tiny.edge_like, "paper": tiny.paper_like}[sys.argv[3]]()
counts = {"train": 48, "valid": 24, "test": 30}
data = TrainingData(*(tiny.striped_faces(split, count) for split, count in counts.items()))
fit(recipe, data, Path(sys.argv[2]), options=FitOptions(checkpoint_seconds=0.0), progress=Tell())
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["edge", "paper"])
def test_a_killed_run_ends_with_the_same_weights(name, tmp_path):
    """Kill it in the middle of both stages, then let it end: not a bit may differ from a run in one piece."""
    command = [sys.executable, "-c", TRAIN, str(Path(__file__).with_name("conftest.py"))]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    subprocess.run([*command, str(whole), name], check=True, env=environment, capture_output=True, timeout=120)
    for stage, step in (("extractor", 2), ("extractor", 5), ("super-resolution", 4)):
        _kill_after([*command, str(broken), name], environment, stage, step)
        assert not (broken / "bundle.json").exists()
    subprocess.run([*command, str(broken), name], check=True, env=environment, capture_output=True, timeout=120)
    assert_equal_weights(ModelBundle.load(whole), ModelBundle.load(broken))
    metrics = [ModelBundle.load(path).manifest.metrics for path in (whole, broken)]
    assert json.dumps(metrics[0]) == json.dumps(metrics[1])


def _kill_after(command: list[str], environment: dict[str, str], stage: str, step: int) -> None:
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as run:
        assert run.stdout is not None
        for line in run.stdout:
            name, done = line.split()
            if name == stage and int(done) >= step:
                break
        time.sleep(0.02)
        run.send_signal(signal.SIGKILL)
        assert run.wait() == -signal.SIGKILL
