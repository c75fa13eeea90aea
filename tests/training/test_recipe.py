"""Recipes: what is read, and what is refused."""

from __future__ import annotations

import pytest

from fsrfer.core.errors import RecipeError
from fsrfer.core.schema import from_mapping, to_mapping
from fsrfer.training import TrainRecipe, builtin_recipes, load_recipe
from fsrfer.training.models import GeneratorKind
from fsrfer.training.recipe import Reweighting

MINIMAL = 'name = "own"\n[extractor]\nepochs = 1\n[super_resolution]\nepochs = 1\n'


@pytest.mark.parametrize("name", builtin_recipes())
def test_built_in_recipes_load_and_survive_the_bundle(name):
    recipe = load_recipe(name)
    assert recipe.name == name
    assert from_mapping(TrainRecipe, to_mapping(recipe), where="bundle", error=RecipeError) == recipe


def test_the_expected_recipes_are_there():
    assert builtin_recipes() == ("demo", "edge", "paper")


def test_the_papers_recipe_is_faithful():
    recipe = load_recipe("paper")
    stage = recipe.super_resolution
    assert recipe.extractor.face_sizes.full_fraction == 1.0
    assert recipe.generator.kind is GeneratorKind.RRDB
    assert (recipe.generator.channels, recipe.generator.growth, recipe.generator.blocks) == (32, 16, 6)
    assert not stage.train_extractor
    assert stage.reweighting is Reweighting.CLASSIFICATION_AWARE
    assert (stage.weights.adversarial, stage.weights.feature, stage.weights.perceptual) == (1.0, 0.01, 10.0)
    assert (stage.weights.classification, stage.weights.distillation) == (0.0, 0.0)
    assert (stage.gradient_penalty_k, stage.gradient_penalty_p, stage.beta1) == (2.0, 6.0, 0.0)
    assert stage.pretrain_epochs > 0
    assert stage.face_sizes.choices == tuple(round(48 / factor) for factor in range(2, 9))


def write(tmp_path, text: str) -> str:
    path = tmp_path / "own.toml"
    path.write_text(text)
    return str(path)


def test_a_recipe_of_ones_own(tmp_path):
    assert load_recipe(write(tmp_path, MINIMAL)).name == "own"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (MINIMAL + "epoch = 3\n", "epoch"),
        (MINIMAL.replace("epochs = 1", 'epochs = "many"', 1), "extractor.epochs"),
        ('name = "own"\n[extractor]\nepochs = 1\n', "super_resolution"),
        ("name = \n", "not TOML"),
        (MINIMAL + "[generator]\nkind = 'magic'\n", "magic"),
        (MINIMAL + "[validation]\nface_sizes = [64]\n", "impossible"),
    ],
    ids=["unknown key", "wrong type", "missing table", "no TOML", "unknown choice", "impossible size"],
)
def test_what_is_wrong_is_named(tmp_path, text, told):
    with pytest.raises(RecipeError, match=told):
        load_recipe(write(tmp_path, text))


def test_an_unknown_recipe_lists_the_known_ones():
    with pytest.raises(RecipeError, match="demo, edge, paper"):
        load_recipe("bogus")


def test_epochs_can_be_changed():
    recipe = load_recipe("paper").with_epochs(3, 0)
    assert recipe.extractor.epochs == 3
    assert recipe.super_resolution.epochs == recipe.super_resolution.pretrain_epochs == 0
