"""The ablation of ours: what each variant leaves out, and what it refuses to take for its own."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import pytest

from fsrfer.core import ModelBundle
from fsrfer.core.errors import UsageError
from fsrfer.core.schema import to_mapping
from fsrfer.datasets import open_dataset
from fsrfer.training import TrainingData, fit, load_recipe
from fsrfer.training.models import GeneratorKind

DATA = "procedural?count=40"


@pytest.fixture(scope="module")
def ablation(benchmark_module):
    return benchmark_module("ablation")


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    """B1 as one epoch makes it."""
    recipe = load_recipe("mixed")
    short = replace(recipe, extractor=replace(recipe.extractor, epochs=1))
    data = TrainingData(**{split: open_dataset(DATA, split) for split in ("train", "valid", "test")})
    return fit(short, data, tmp_path_factory.mktemp("teacher")).path


def flat(value, prefix: str = "") -> dict[str, object]:
    if not isinstance(value, dict):
        return {prefix: value}
    return {key: item for name, part in value.items() for key, item in flat(part, f"{prefix}.{name}").items()}


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("ours", set()),
        ("no-mirror", {".mirrored"}),
        ("hard-labels", {".extractor.soft_labels"}),
        ("no-ema", {".super_resolution.ema_decay"}),
        ("no-jitter", {".augmentation.shift", ".augmentation.scale", ".augmentation.rotation_deg"}),
        (
            "degraded-b1",
            {".backbone.size_conditioned", ".generator.kind"}
            | {f".super_resolution.weights.{term}" for term in ("feature", "perceptual", "distillation")},
        ),
    ],
)
def test_a_variant_leaves_out_what_its_title_says(ablation, name, changed):
    plain, other = (flat(to_mapping(recipe)) for recipe in (load_recipe("edge"), ablation.recipe_of(name, 32)))
    assert {key for key in plain if plain[key] != other[key]} == changed | {".name"}


def test_b1_further_keeps_the_faces_and_the_labels_of_ours(ablation):
    recipe, ours = ablation.recipe_of("degraded-b1", 8), load_recipe("edge")
    assert recipe.super_resolution.weights.classification == ours.super_resolution.weights.classification > 0
    assert recipe.generator.kind is GeneratorKind.NONE
    assert recipe.degradation.fraction > 0
    assert recipe.mirrored


@pytest.mark.slow
def test_both_splits_are_judged_and_other_settings_are_refused(ablation, monkeypatch, tmp_path, teacher, capsys):
    folder = tmp_path / "ablation"

    def run(*options: str) -> str:
        words = ["--data", DATA, "--teacher", str(teacher), "--output", str(folder), "--variants", "degraded-b1"]
        monkeypatch.setattr(sys, "argv", ["ablation.py", *words, "--arithmetic", "fp32", *options])
        ablation.main()
        return capsys.readouterr().out

    assert "training degraded-b1, seed 0" in run("--epochs", "1")
    text = (folder / "ablation.md").read_text()
    metrics = ModelBundle.load(folder / "seed-0" / "degraded-b1").manifest.metrics
    for title, key in ablation.REPORTS:
        largest = 100 * metrics[key]["sizes"][0]["accuracy"]["value"]
        assert f"| {title} | seeds | 48 px | 24 px | 16 px | 12 px | 8 px | mean |" in text
        assert f"| B1 further, degraded faces and mirror image | 1 | {largest:.2f} |" in text
    assert "training" not in run("--epochs", "1")
    with pytest.raises(UsageError, match=r"expected super_resolution.epochs 2; found super_resolution.epochs 1"):
        run("--epochs", "2")
    assert "training degraded-b1, seed 1" in run("--epochs", "1", "--seeds", "0", "1")
    kept = json.loads((folder / "ablation.json").read_text())["accuracy_percent"]["valid"]["degraded-b1"]
    assert set(kept) == {"0", "1"}
    means = [run["mean"] for run in kept.values()]
    assert f"{sum(means) / 2:.2f} ({min(means):.2f} to {max(means):.2f}) |" in (folder / "ablation.md").read_text()
    (folder / "seed-1").rename(folder / "seed-2")
    with pytest.raises(UsageError, match="trained with another seed"):
        run("--epochs", "1")
    (folder / "seed-2").rename(folder / "seed-1")
    other = replace(ModelBundle.load(teacher).manifest.artifacts["weights"], sha256="0" * 64)
    ModelBundle.load(teacher).record(artifacts={"weights": other})
    with pytest.raises(UsageError, match="began with other weights"):
        run("--epochs", "1")
