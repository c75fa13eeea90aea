"""The folder of trained networks: what is missing, what is refused."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from fsrfer.core import ModelBundle
from fsrfer.core.errors import BundleError, UsageError
from fsrfer.datasets import open_dataset
from fsrfer.training import TrainingData
from fsrfer.training.comparison import Part, PartStore
from fsrfer.training.models import load_network


@pytest.fixture(scope="module")
def faces() -> TrainingData:
    return TrainingData(**{split: open_dataset("procedural?count=40", split) for split in ("train", "valid", "test")})


@pytest.fixture(scope="module")
def store(tmp_path_factory, faces) -> PartStore:
    """A full-size model, its restoration and one expert, each trained for one epoch."""
    made = PartStore(tmp_path_factory.mktemp("store"), epochs=1)
    for part in (Part.FULL_SIZE, Part.RESTORATION, Part.EXPERT_8):
        made.train(part, faces)
    return made


def test_what_is_missing_comes_in_an_order_in_which_it_can_be_trained(tmp_path):
    empty = PartStore(tmp_path)
    assert empty.missing([Part.PAPER, Part.MIXED, Part.RESTORATION]) == (
        Part.FULL_SIZE, Part.PAPER, Part.MIXED, Part.RESTORATION
    )  # fmt: skip


@pytest.mark.slow
def test_what_is_there_is_not_missing(store):
    assert store.missing([Part.FULL_SIZE, Part.RESTORATION, Part.EXPERT_8]) == ()
    assert store.missing([Part.EXPERT_8, Part.EXPERT_12]) == (Part.EXPERT_12,)


@pytest.mark.slow
def test_an_interrupted_part_is_missing(store, tmp_path):
    (tmp_path / "mixed" / "checkpoints").mkdir(parents=True)
    assert not PartStore(tmp_path).has(Part.MIXED)
    bundle = store.bundle(Part.FULL_SIZE)
    # All but the last artefact: the run was cut off while it wrote its bundle.
    artifacts = {name: value for name, value in bundle.manifest.artifacts.items() if name != "model-card"}
    ModelBundle.create(tmp_path / "full-size", replace(bundle.manifest, artifacts=artifacts))
    assert not PartStore(tmp_path).has(Part.FULL_SIZE)


@pytest.mark.slow
def test_an_expert_begins_as_the_full_size_model(store):
    parent = store.bundle(Part.FULL_SIZE).manifest.artifacts["weights"].sha256
    assert store.bundle(Part.EXPERT_8).manifest.provenance.parents == {"initial": parent}
    expert, full = (load_network(store.bundle(part)).state_dict() for part in (Part.EXPERT_8, Part.FULL_SIZE))
    moved = [(expert[name] - full[name]).norm() / full[name].norm() for name in full if name.endswith("weight")]
    assert max(moved).item() > 0
    assert torch.stack(moved).median().item() < 0.5


@pytest.mark.slow
def test_parts_come_back_in_evaluation_mode(store, faces):
    for part in (Part.FULL_SIZE, Part.RESTORATION, Part.EXPERT_8):
        network = store.load(part, faces.dataset_ids)
        assert not any(module.training for module in network.modules())
        logits = network(torch.zeros(2, 1, 48, 48, dtype=torch.uint8), torch.tensor([12.0, 48.0]))
        assert logits.shape == (2, 7)


@pytest.mark.slow
@pytest.mark.parametrize("part", [Part.FULL_SIZE, Part.RESTORATION])
def test_networks_of_other_faces_are_refused(store, part):
    with pytest.raises(UsageError, match=f"stored {part.value} was trained on other faces"):
        store.load(part, ("other/train", "other/valid", "other/test"))


@pytest.mark.slow
def test_a_restoration_of_another_classifier_is_refused(store, faces, tmp_path):
    folder = tmp_path / "store"
    folder.mkdir()
    for name in ("full-size", "restoration"):
        (folder / name).symlink_to(store.folder / name)
    (folder / "full-size").unlink()
    bundle = store.bundle(Part.EXPERT_8)  # a network of the same shape with other weights
    (folder / "full-size").symlink_to(bundle.path)
    with pytest.raises(BundleError, match="trained for another classifier"):
        PartStore(folder).load(Part.RESTORATION, faces.dataset_ids)


@pytest.mark.slow
def test_a_damaged_restoration_is_told(store, faces, tmp_path):
    folder = tmp_path / "store"
    (folder / "restoration").mkdir(parents=True)
    (folder / "full-size").symlink_to(store.folder / "full-size")
    path = folder / "restoration" / "restoration.safetensors"
    whole = store.folder / "restoration" / "restoration.safetensors"
    path.write_bytes(whole.read_bytes()[:1000])
    with pytest.raises(BundleError, match="remove it and train again"):
        PartStore(folder).load(Part.RESTORATION, faces.dataset_ids)
    save_file(load_file(whole), path)  # whole, but without its description
    with pytest.raises(BundleError, match="remove it and train again"):
        PartStore(folder).load(Part.RESTORATION, faces.dataset_ids)


@pytest.mark.slow
@pytest.mark.parametrize("part", [Part.FULL_SIZE, Part.RESTORATION])
def test_networks_of_another_seed_are_refused(store, faces, part):
    with pytest.raises(UsageError, match="trained with another seed"):
        replace(store, seed=1).load(part, faces.dataset_ids)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("part", "told"),
    [
        (Part.FULL_SIZE, r"by other settings; expected extractor.epochs 24; found extractor.epochs 1"),
        (Part.RESTORATION, r"for other epochs; expected 6; found 1"),
    ],
)
def test_networks_that_were_trained_to_try_the_command_out_are_refused(store, faces, part, told):
    with pytest.raises(UsageError, match=told):
        replace(store, epochs=None).load(part, faces.dataset_ids)


@pytest.mark.slow
def test_a_network_that_began_with_other_weights_is_refused(store, faces, tmp_path):
    for name in ("full-size", "expert-8"):
        shutil.copytree(store.folder / name, tmp_path / name)
    moved = PartStore(tmp_path, epochs=1)
    moved.load(Part.EXPERT_8, faces.dataset_ids)
    artifacts = moved.bundle(Part.FULL_SIZE).manifest.artifacts
    other = {**artifacts, "weights": replace(artifacts["weights"], sha256="0" * 64)}
    moved.bundle(Part.FULL_SIZE).record(artifacts=other)
    with pytest.raises(UsageError, match="expert-8 began with other weights; expected initial 000000000000"):
        moved.load(Part.EXPERT_8, faces.dataset_ids)
    shutil.rmtree(tmp_path / "full-size")  # what is not there cannot be compared with
    moved.load(Part.EXPERT_8, faces.dataset_ids)
    assert moved.missing([Part.EXPERT_8]) == ()
