"""Recipes: what is read, and what is refused."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest

from fsrfer.core.errors import RecipeError
from fsrfer.core.schema import from_mapping, to_mapping
from fsrfer.training import TrainRecipe, builtin_recipes, load_recipe
from fsrfer.training.models import GeneratorKind
from fsrfer.training.stages import Reweighting

MINIMAL = 'name = "own"\n[extractor]\nepochs = 1\n[super_resolution]\nepochs = 1\n'
LITTLE = {"name": "own", "extractor": {"epochs": 1}, "super_resolution": {"epochs": 1}}


@pytest.mark.parametrize("name", builtin_recipes())
def test_built_in_recipes_load_and_survive_the_bundle(name):
    recipe = load_recipe(name)
    assert recipe.name == name
    assert from_mapping(TrainRecipe, to_mapping(recipe), where="bundle", error=RecipeError) == recipe


def test_the_expected_recipes_are_there():
    assert builtin_recipes() == ("demo", "edge", "full-size", "mixed", "paper", "paper-wide")


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


def test_the_papers_wide_recipe_differs_in_the_width_of_the_generator_alone():
    paper, wide = load_recipe("paper"), load_recipe("paper-wide")
    assert wide.generator.channels == wide.backbone.stage_channels[-1]
    assert wide.generator.growth * paper.generator.channels == wide.generator.channels * paper.generator.growth
    narrow = replace(wide.generator, channels=paper.generator.channels, growth=paper.generator.growth)
    assert replace(wide, name="paper", generator=narrow) == paper


def test_all_methods_share_backbone_and_classifier():
    paper, edge, full_size, mixed = (load_recipe(name) for name in ("paper", "edge", "full-size", "mixed"))
    assert paper.backbone == full_size.backbone == mixed.backbone == replace(edge.backbone, size_conditioned=False)
    assert paper.classifier == full_size.classifier == mixed.classifier == edge.classifier
    assert paper.extractor == full_size.extractor
    assert edge.extractor == mixed.extractor  # stage 1 of ours is baseline B1
    unequal = {"face_sizes": full_size.extractor.face_sizes, "epochs": full_size.extractor.epochs}
    assert replace(mixed.extractor, **unequal) == full_size.extractor
    assert paper.augmentation == full_size.augmentation == mixed.augmentation
    assert edge.augmentation.shift > mixed.augmentation.shift


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
    with pytest.raises(RecipeError, match="demo, edge, full-size, mixed, paper"):
        load_recipe("bogus")


def test_epochs_can_be_changed():
    recipe = load_recipe("paper").with_epochs(3, 0)
    assert recipe.extractor.epochs == 3
    assert recipe.super_resolution.epochs == recipe.super_resolution.pretrain_epochs == 0


def test_a_recipe_that_says_little_can_be_trained():
    """The second stage of a recipe without weights must have a loss."""
    assert any(
        vars(from_mapping(TrainRecipe, LITTLE, where="little", error=RecipeError).super_resolution.weights).values()
    )


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("extractor.epochs", 0),
        ("extractor.batch_size", 0),
        ("extractor.learning_rate", 0.0),
        ("extractor.learning_rate", float("nan")),
        ("extractor.ema_decay", 1.5),
        ("extractor.face_sizes.smallest", 0),
        ("extractor.face_sizes.smallest", 49),
        ("extractor.face_sizes.choices", [12, 96]),
        ("extractor.face_sizes.full_fraction", 1.1),
        ("super_resolution.epochs", -1),
        ("super_resolution.learning_rate", 0.0),
        ("super_resolution.beta1", 1.0),
        ("super_resolution.temperature", 0.0),
        ("super_resolution.weights.feature", -1.0),
        ("super_resolution.weights", {}),
        ("augmentation.flip", 2.0),
        ("augmentation.erase_side", 1.5),
        ("augmentation.mix", -0.1),
        ("augmentation.scale", 1.0),
        ("validation.face_sizes", []),
        ("validation.face_sizes", [16, 16]),
        ("validation.face_sizes", [0]),
        ("validation.max_faces", 0),
        ("backbone.stage_channels", []),
        ("backbone.blocks_per_stage", 0),
        ("generator.channels", 0),
        ("classifier.dropout", 1.0),
    ],
)
def test_impossible_values_are_refused_when_they_are_read(place, value):
    """Some of them would only be noticed after the first stage, others never."""
    *tables, key = place.split(".")
    recipe = copy.deepcopy(LITTLE)
    table = recipe
    for name in tables:
        table = table.setdefault(name, {})
    table[key] = value
    with pytest.raises(RecipeError, match=r"(impossible|has no)"):
        from_mapping(TrainRecipe, recipe, where="recipe own", error=RecipeError)


def test_the_smallest_size_does_not_matter_where_it_is_not_used():
    sizes = {"smallest": 60, "choices": [12]}
    recipe = {**LITTLE, "extractor": {"epochs": 1, "face_sizes": sizes}}
    assert from_mapping(TrainRecipe, recipe, where="own", error=RecipeError).extractor.face_sizes.choices == (12,)


def test_a_recipe_that_is_not_text_is_named(tmp_path):
    path = tmp_path / "own.toml"
    path.write_bytes(b'name = "\xff"')
    with pytest.raises(RecipeError, match="not TOML"):
        load_recipe(str(path))
