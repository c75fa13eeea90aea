"""Batches that are taken in pieces, one after another (gradient accumulation)."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from fsrfer.core.errors import CheckpointError, UsageError
from fsrfer.training import FitOptions, fit
from fsrfer.training.models import ClassifierConfig
from fsrfer.training.origin import Origin, OriginRole
from fsrfer.training.stages import LossWeights


def test_pieces_are_the_whole_batch_where_nothing_is_normalised_over_it(paper_recipe, data, tmp_path):
    """Stage 2 of the paper: a frozen extractor, a generator without batch normalisation, and a discriminator."""
    teacher = Origin(fit(paper_recipe.with_epochs(1, 0), data, tmp_path / "teacher"), OriginRole.EXTRACTOR)
    states = []
    for pieces in (1, 3):  # 16 faces: unequal pieces
        output = tmp_path / f"{pieces}"
        fit(paper_recipe, data, output, origin=teacher, options=FitOptions(keep_checkpoints=True, pieces=pieces))
        states.append(load_file(output / "checkpoints" / "super-resolution.safetensors"))
    whole, pieces = states
    assert whole.keys() == pieces.keys()
    compared = [name for name in whole if "/network/generator" in name or "/discriminator/" in name]
    assert len(compared) > 30
    for name in compared:
        torch.testing.assert_close(pieces[name], whole[name], rtol=0, atol=1e-4, msg=name)


def test_pieces_teach_what_whole_batches_teach(edge_recipe, data, tmp_path):
    """With batch normalisation the statistics differ, dropout does not: the result is another, of the same quality."""
    recipe = replace(edge_recipe, classifier=ClassifierConfig(embedding=8, dropout=0.2)).with_epochs(20, 1)
    accuracies = []
    for pieces in (1, 2):
        bundle = fit(recipe, data, tmp_path / f"{pieces}", options=FitOptions(pieces=pieces))
        accuracies.append(bundle.manifest.metrics["test"]["sizes"][0]["accuracy"]["value"])
        assert bundle.manifest.provenance.pieces == pieces
    assert min(accuracies) > 0.6  # a third by chance


def test_looking_twice_moves_the_statistics_once(edge_recipe, data, tmp_path):
    """With a discriminator every piece is looked at twice a step."""
    weights = LossWeights(adversarial=0.1, feature=1.0)
    recipe = replace(edge_recipe, super_resolution=replace(edge_recipe.super_resolution, weights=weights))
    options = FitOptions(keep_checkpoints=True, pieces=2)
    fit(recipe.with_epochs(1, 2), data, tmp_path / "bundle", options=options)
    state = load_file(tmp_path / "bundle" / "checkpoints" / "super-resolution.safetensors")
    before = load_file(tmp_path / "bundle" / "checkpoints" / "extractor.safetensors")
    name = "backbone.stem.1.num_batches_tracked"
    steps = 2 * 3
    moved = state[f"module/network/{name}"] - before[f"module/best/{name}"]
    assert moved.item() == 2 * steps


def test_another_number_of_pieces_is_another_run(edge_recipe, data, tmp_path):
    recipe = edge_recipe.with_epochs(1, 0)
    fit(recipe, data, tmp_path / "bundle", options=FitOptions(keep_checkpoints=True))
    with pytest.raises(CheckpointError, match="belongs to another run"):
        fit(recipe, data, tmp_path / "bundle", options=FitOptions(pieces=2))


@pytest.mark.parametrize(("pieces", "told"), [(0, "1 piece or more"), (17, "17 pieces and 1 processes; found 16")])
def test_impossible_pieces_are_told_before_anything_is_written(edge_recipe, data, tmp_path, pieces, told):
    with pytest.raises(UsageError, match=told):
        fit(edge_recipe, data, tmp_path / "bundle", options=FitOptions(pieces=pieces))
    assert not (tmp_path / "bundle").exists()
