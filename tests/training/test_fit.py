"""A whole run: what it writes, what it keeps, and what it refuses."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from fsrfer.core import ArtifactKind, ModelBundle
from fsrfer.core.errors import BackendUnavailableError, CheckpointError, DatasetError, RecipeError, UsageError
from fsrfer.core.schema import to_mapping
from fsrfer.datasets import InMemoryFaces, evaluate_by_size, with_labels
from fsrfer.training import FitOptions, TrainingData, classify_with, fit
from fsrfer.training.face_variation import AugmentationConfig, FaceSizes
from fsrfer.training.models import BackboneConfig, ClassifierConfig, GeneratorKind, load_network
from fsrfer.training.progress import Silence
from fsrfer.training.recipe import ValidationConfig
from fsrfer.training.stages import ExtractorConfig
from fsrfer.training.validation import Validation


class Record(Silence):
    def __init__(self) -> None:
        self.losses: dict[str, list[float]] = {}
        self.terms: dict[str, list[dict[str, float]]] = {}
        self.scores: dict[str, list[float]] = {}
        self.begins: dict[str, tuple[int, int]] = {}

    def stage(self, name, done, total):
        self.begins[name] = (done, total)

    def step(self, name, step, scalars):
        self.losses.setdefault(name, []).append(scalars["loss"])
        self.terms.setdefault(name, []).append(dict(scalars))

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
    assert all(row["count"] == 24 for row in manifest.metrics["valid"]["sizes"])
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
def test_a_network_can_learn_32_faces_by_heart(edge_recipe, tmp_path):
    """Noise with random labels: nothing but memory helps, so a broken gradient or label order cannot hide."""
    rng = np.random.default_rng(0)
    noise = InMemoryFaces(
        name="noise",
        split="train",
        labels=("neutral", "happiness", "surprise"),
        images=rng.integers(0, 256, (32, 16, 16), dtype=np.uint8),
        label_indices=rng.integers(0, 3, 32),
        sample_ids=[str(index) for index in range(32)],
    )
    plain = replace(
        edge_recipe,
        augmentation=AugmentationConfig(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
        classifier=ClassifierConfig(embedding=32, dropout=0.0),
        backbone=BackboneConfig(8, (16, 24), 1),
        extractor=ExtractorConfig(
            epochs=80,
            batch_size=16,
            learning_rate=1e-2,
            label_smoothing=0.0,
            ema_decay=0.0,
            face_sizes=FaceSizes(full_fraction=1.0),
        ),
        validation=ValidationConfig((16,), 32),
    )
    record = Record()
    bundle = fit(plain.with_epochs(80, 0), TrainingData(noise, noise, noise), tmp_path / "bundle", progress=record)
    assert bundle.manifest.metrics["test"]["sizes"][0]["accuracy"]["value"] == 1.0
    assert record.losses["extractor"][-1] < 0.1


@pytest.mark.slow
def test_stripes_are_learnt(edge_recipe, data, tmp_path):
    record = Record()
    bundle = fit(edge_recipe.with_epochs(40, 4), data, tmp_path / "bundle", progress=record)
    assert np.mean(record.losses["extractor"][-5:]) < 0.5 * np.mean(record.losses["extractor"][:5])
    assert bundle.manifest.metrics["test"]["sizes"][0]["accuracy"]["value"] > 0.9


@pytest.mark.parametrize("stages", [(8, 0), (3, 4)])
def test_what_is_kept_scores_like_the_best_epoch(edge_recipe, data, tmp_path, stages):
    record = Record()
    bundle = fit(edge_recipe.with_epochs(*stages), data, tmp_path / "bundle", progress=record)
    scores = record.scores["super-resolution" if stages[1] else "extractor"]
    sizes = edge_recipe.validation.face_sizes
    validation = Validation(data.valid, bundle.manifest.preprocess, sizes, 24, torch.device("cpu"))
    network = load_network(bundle)
    assert not network.training
    assert validation.accuracies(network)["mean_accuracy"] == max(scores)


def test_the_papers_extractor_is_frozen_to_the_bit(paper_recipe, data, tmp_path):
    options = FitOptions(keep_checkpoints=True)
    bundle = fit(paper_recipe, data, tmp_path / "bundle", options=options)
    teacher = load_file(bundle.path / "checkpoints" / "extractor.safetensors")
    final = weights_of(bundle)
    shared = [name for name in final if not name.startswith("generator.")]
    assert len(shared) > 10
    for name in shared:
        kept = teacher[f"module/best/{name}"]
        assert torch.equal(final[name], kept.half() if kept.is_floating_point() else kept), name


def test_without_a_second_stage_the_first_is_the_model(edge_recipe, data, tmp_path):
    bundle = fit(edge_recipe.with_epochs(2, 0), data, tmp_path / "bundle")
    assert bundle.manifest.graph.face_size_input is None
    assert not any(name.startswith("generator.") for name in weights_of(bundle))


def test_the_second_stage_trains_an_extractor_without_a_generator(edge_recipe, data, tmp_path):
    recipe = replace(edge_recipe, generator=replace(edge_recipe.generator, kind=GeneratorKind.NONE))
    first = fit(recipe.with_epochs(1, 0), data, tmp_path / "first", seed=3)
    second = fit(recipe.with_epochs(1, 1), data, tmp_path / "second", seed=3)
    assert not [name for name in weights_of(second) if "generator" in name]
    assert not torch.equal(
        weights_of(first)["classifier.predict.weight"], weights_of(second)["classifier.predict.weight"]
    )
    frozen = replace(recipe, super_resolution=replace(recipe.super_resolution, train_extractor=False))
    assert_equal_weights(first, fit(frozen.with_epochs(1, 1), data, tmp_path / "frozen", seed=3))


def relabelled(dataset: InMemoryFaces, labels: tuple[str, ...], indices: np.ndarray) -> InMemoryFaces:
    return InMemoryFaces(
        name=dataset.name,
        split=dataset.split,
        labels=labels,
        images=dataset.images,
        label_indices=indices,
        sample_ids=[dataset[index].sample_id for index in range(len(dataset))],
    )


def turned(dataset: InMemoryFaces) -> InMemoryFaces:
    """The same faces with their labels numbered the other way round."""
    return relabelled(dataset, dataset.labels[::-1], len(dataset.labels) - 1 - dataset.label_indices)


def test_splits_with_different_labels_are_refused(data):
    with pytest.raises(DatasetError, match=r"different labels.*test: surprise, happiness, neutral.*with_labels"):
        TrainingData(data.train, data.valid, turned(data.test))


def test_a_single_expression_is_refused_before_the_training(data):
    single = [relabelled(split, ("neutral",), 0 * split.label_indices) for split in (data.train, data.valid, data.test)]
    with pytest.raises(DatasetError, match="nothing to tell apart"):
        TrainingData(*single)


@pytest.mark.slow
def test_labels_keep_the_order_of_the_data(edge_recipe, data, tmp_path):
    reversed_data = TrainingData(turned(data.train), turned(data.valid), turned(data.test))
    bundle = fit(edge_recipe.with_epochs(40, 1), reversed_data, tmp_path / "bundle")
    assert bundle.manifest.labels == ("surprise", "happiness", "neutral")
    spec = bundle.manifest.preprocess
    test = with_labels(data.test, bundle.manifest.labels)
    report = evaluate_by_size(classify_with(load_network(bundle)), test, spec, (16,))
    assert report.at(16).accuracy.value > 0.9
    assert bundle.manifest.metrics["test"]["sizes"][0]["accuracy"]["value"] == report.at(16).accuracy.value


def test_pytorchs_random_state_is_left_alone(edge_recipe, data, tmp_path):
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    fit(edge_recipe.with_epochs(1, 1), data, tmp_path / "bundle")
    assert torch.equal(torch.rand(3), expected)


def test_a_caller_who_seeds_pytorch_changes_nothing(edge_recipe, data, tmp_path):
    one = fit(edge_recipe.with_epochs(1, 1), data, tmp_path / "one")
    torch.manual_seed(12345)
    assert_equal_weights(one, fit(edge_recipe.with_epochs(1, 1), data, tmp_path / "other"))


@pytest.mark.parametrize(
    ("seed", "device", "error", "told"),
    [
        (-1, "cpu", UsageError, "0 or more"),
        (0, "gpu", UsageError, "cpu, cuda or cuda:1"),
        (0, "meta", UsageError, "cpu, cuda or cuda:1"),
        (0, "cuda:99", BackendUnavailableError, "no device cuda:99"),
    ],
)
def test_impossible_circumstances_are_told_before_anything_is_written(
    edge_recipe, data, tmp_path, seed, device, error, told
):
    with pytest.raises(error, match=told):
        fit(edge_recipe, data, tmp_path / "bundle", seed=seed, options=FitOptions(device=device))
    assert not (tmp_path / "bundle").exists()


def test_the_second_stage_lowers_its_own_loss(recipe, data, tmp_path):
    record = Record()
    fit(recipe.with_epochs(3, 12), data, tmp_path / "bundle", progress=record)
    terms = record.terms["super-resolution"]
    for name in ("feature", "perceptual"):
        values = [step[name] for step in terms if name in step]
        assert np.mean(values[-6:]) < np.mean(values[:6]), name


def test_a_diverged_training_is_a_mistake_of_the_recipe(edge_recipe, data, tmp_path):
    wild = replace(edge_recipe, extractor=replace(edge_recipe.extractor, learning_rate=1e30, warmup_fraction=0.0))
    with pytest.raises(RecipeError, match="diverged at step"):
        fit(wild, data, tmp_path / "bundle")
    assert not [thread for thread in threading.enumerate() if thread.name == "training-batches"]


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
