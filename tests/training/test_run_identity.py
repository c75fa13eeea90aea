"""A trained model is taken for what a training would make only if it is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fsrfer.core import ModelBundle
from fsrfer.core.bundle import BundleManifest, GraphSpec
from fsrfer.core.errors import BundleError, UsageError
from fsrfer.core.preprocess import PreprocessSpec
from fsrfer.core.provenance import Provenance
from fsrfer.core.schema import to_mapping
from fsrfer.training import load_recipe
from fsrfer.training.run_identity import RunIdentity, is_trained

FACES = ("train", "valid", "test")
PARENTS = {"extractor": "a" * 64}
WANTED = RunIdentity(load_recipe("edge"), 3, FACES, PARENTS)


@pytest.fixture
def bundle(tmp_path) -> ModelBundle:
    manifest = BundleManifest(
        name="stored",
        labels=("neutral", "happiness"),
        preprocess=PreprocessSpec(48, 48),
        graph=GraphSpec(),
        architecture={},
        recipe=to_mapping(WANTED.recipe),
        provenance=Provenance.now(seed=3, dataset_ids=FACES, parents=PARENTS),
    )
    return ModelBundle.create(tmp_path / "stored", manifest)


def test_the_same_training_is_taken(bundle):
    WANTED.require(bundle, "it", fix="look")


def test_a_recipe_from_before_a_setting_existed_is_read_with_its_default(bundle):
    recipe = to_mapping(WANTED.recipe)
    del recipe["augmentation"]["mix"]
    WANTED.require(bundle.record(recipe=recipe), "it", fix="look")


def test_parents_that_are_not_known_are_not_asked_for(bundle):
    replace(WANTED, parents=None).require(bundle, "it", fix="look")


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (replace(WANTED, dataset_ids=("train", "valid", "other")), "it was trained on other faces; expected train, "),
        (replace(WANTED, seed=4), "it was trained with another seed; expected 4; found 3"),
        (
            replace(WANTED, parents={"extractor": "b" * 64}),
            "began with other weights; expected extractor bbbbbbbbbbbb;",
        ),
        (replace(WANTED, parents={}), "expected random weights; found extractor aaaaaaaaaaaa"),
        (
            replace(WANTED, recipe=WANTED.recipe.with_epochs(74, 1)),
            "it was trained by other settings; expected super_resolution.epochs 1; found super_resolution.epochs 32",
        ),
    ],
)
def test_another_training_is_refused_and_told_how_it_differs(bundle, wanted, told):
    with pytest.raises(UsageError) as raised:
        wanted.require(bundle, "it", fix="look")
    assert told in str(raised.value)
    assert str(raised.value).endswith("Next: look")


def test_a_recipe_of_unknown_settings_is_refused(bundle):
    with pytest.raises(BundleError, match="magic"):
        WANTED.require(bundle.record(recipe={**to_mapping(WANTED.recipe), "magic": 1}), "it", fix="look")


def test_a_bundle_without_its_card_is_not_trained_to_the_end(bundle):
    assert not is_trained(bundle)
