"""Beginning with trained weights."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from fsrfer.core.errors import BundleError, CheckpointError
from fsrfer.core.options import Arithmetic
from fsrfer.datasets import with_labels
from fsrfer.training import FitOptions, TrainingData, fit
from fsrfer.training.models import BackboneConfig, load_network
from fsrfer.training.origin import Origin, OriginRole
from fsrfer.training.progress import Silence


class Stages(Silence):
    def __init__(self):
        self.begun = []

    def stage(self, name, done, total):
        self.begun.append((name, done))


@pytest.fixture
def parent(edge_recipe, data, tmp_path):
    """Stage 1 of the recipe, alone."""
    return fit(edge_recipe.with_epochs(2, 0), data, tmp_path / "parent", seed=5)


def test_an_extractor_replaces_stage_1(parent, paper_recipe, data, tmp_path):
    seen = Stages()
    origin = Origin(parent, OriginRole.EXTRACTOR)
    bundle = fit(paper_recipe, data, tmp_path / "child", origin=origin, progress=seen)
    assert [name for name, _ in seen.begun] == ["super-resolution"]
    # The paper's extractor is frozen: it is the parent's to the bit.
    mine, theirs = load_network(bundle), load_network(parent)
    for name, value in theirs.state_dict().items():
        torch.testing.assert_close(mine.state_dict()[name], value, rtol=0, atol=0)
    assert bundle.manifest.provenance.parents == {"extractor": parent.manifest.artifacts["weights"].sha256}


def test_initial_weights_are_trained_on(parent, edge_recipe, data, tmp_path):
    seen = Stages()
    origin = Origin(parent, OriginRole.INITIAL)
    short = edge_recipe.with_epochs(1, 0)
    gentle = replace(short, extractor=replace(short.extractor, learning_rate=1e-6, ema_decay=0.0))
    bundle = fit(gentle, data, tmp_path / "child", origin=origin, progress=seen)
    assert [name for name, _ in seen.begun] == ["extractor"]
    before, after = load_network(parent), load_network(bundle)
    weights = "backbone.stages.0.0.body.0.weight"
    torch.testing.assert_close(after.state_dict()[weights], before.state_dict()[weights], atol=1e-3, rtol=0)


def test_a_size_conditioned_student_begins_as_its_teacher(parent, edge_recipe, data, tmp_path):
    told = replace(edge_recipe.backbone, size_conditioned=True)
    still = replace(
        edge_recipe.super_resolution, epochs=1, learning_rate=1e-9, extractor_learning_rate=1e-9, ema_decay=0.0
    )
    recipe = replace(edge_recipe, backbone=told, super_resolution=still)
    bundle = fit(recipe, data, tmp_path / "child", origin=Origin(parent, OriginRole.EXTRACTOR))
    student, teacher = load_network(bundle), load_network(parent)
    assert student.config.backbone.size_conditioned
    faces = torch.randint(0, 256, (4, 1, 16, 16), dtype=torch.uint8)
    for module in student.modules():  # batch statistics moved in training
        if isinstance(module, torch.nn.BatchNorm2d):
            module.reset_running_stats()
    for module in teacher.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.reset_running_stats()
    torch.testing.assert_close(student(faces, torch.full((4,), 7.0)), teacher(faces), atol=2e-3, rtol=0)


@pytest.mark.parametrize("change", ["backbone", "labels"])
def test_an_origin_that_does_not_fit_is_refused(parent, edge_recipe, data, tmp_path, change):
    recipe, faces = edge_recipe, data
    if change == "backbone":
        recipe = replace(recipe, backbone=BackboneConfig(4, (6, 10), 1))
    else:
        order = ("surprise", "neutral", "happiness")
        splits = {split: with_labels(getattr(data, split), order) for split in ("train", "valid", "test")}
        faces = TrainingData(**splits)
    with pytest.raises(BundleError, match="cannot be trained on with this recipe and data"):
        fit(recipe, faces, tmp_path / "child", origin=Origin(parent, OriginRole.EXTRACTOR))


def test_another_origin_or_arithmetic_is_another_run(parent, edge_recipe, data, tmp_path):
    class Stop(Silence):
        def step(self, name, step, scalars):
            if step == 2:
                raise KeyboardInterrupt

    options = FitOptions(checkpoint_seconds=0.0)
    origin = Origin(parent, OriginRole.INITIAL)
    with pytest.raises(KeyboardInterrupt):
        fit(edge_recipe, data, tmp_path / "child", origin=origin, options=options, progress=Stop())
    with pytest.raises(CheckpointError, match="belongs to another run"):
        fit(edge_recipe, data, tmp_path / "child", options=options)
    with pytest.raises(CheckpointError, match="belongs to another run"):
        fit(edge_recipe, data, tmp_path / "child", origin=origin, options=replace(options, arithmetic=Arithmetic.BF16))


def test_bfloat16_learns_too(edge_recipe, data, tmp_path):
    class Losses(Silence):
        def __init__(self):
            self.values = []

        def step(self, name, step, scalars):
            if name == "extractor":
                self.values.append(scalars["loss"])

    losses = Losses()
    bundle = fit(
        edge_recipe.with_epochs(12, 1),
        data,
        tmp_path / "b",
        progress=losses,
        options=FitOptions(arithmetic=Arithmetic.BF16),
    )
    assert losses.values[-1] < 0.8 * losses.values[0]
    assert bundle.manifest.provenance.arithmetic == "bf16"
    assert all(value.dtype != torch.bfloat16 for value in load_network(bundle).state_dict().values())
