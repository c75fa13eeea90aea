"""Training recipes: small TOML files read into frozen dataclasses."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path

from ..core.errors import RecipeError
from ..core.preprocess import ColorMode
from ..core.schema import from_mapping
from .face_variation import AugmentationConfig, DegradationConfig
from .models.architecture import BackboneConfig, ClassifierConfig, GeneratorConfig
from .ranges import require
from .stages import ExtractorConfig, SuperResolutionConfig

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclass(frozen=True)
class ValidationConfig:
    """How an epoch is judged, on the validation split only.

    Attributes:
        face_sizes: Native sizes, all different; the mean of their accuracies decides.
        max_faces: Faces that are looked at after each epoch; a fixed, evenly spread choice.
    """

    face_sizes: tuple[int, ...] = (48, 24, 16, 12, 8)
    max_faces: int = 2000

    def __post_init__(self) -> None:
        require(self, "1 or more", "face_sizes", "max_faces")
        if not self.face_sizes or len(set(self.face_sizes)) != len(self.face_sizes):
            raise RecipeError(
                "face_sizes of the validation are impossible",
                expected="one or more, all different",
                found=self.face_sizes,
            )


@dataclass(frozen=True)
class TrainRecipe:
    """Everything that decides a training run but its data and its seed.

    Attributes:
        name: Name of the recipe.
        color: Channels of the model's input.
        input_size: Side of the model's input, in pixels.
        crop_margin: Margin around a detector's box that matches the training crops (see PreprocessSpec).
        extractor: Stage 1.
        super_resolution: Stage 2.
        backbone: Architecture of the backbone.
        generator: Architecture of the generator.
        classifier: Architecture of the classifier.
        augmentation: Random changes of training faces.
        degradation: Small training faces as cameras deliver them.
        validation: How an epoch is judged.
        mirrored: Serve the mean of the logits of a face and its mirror image, in the graph itself, at twice the cost.
    """

    name: str
    extractor: ExtractorConfig
    super_resolution: SuperResolutionConfig
    color: ColorMode = ColorMode.GRAY
    input_size: int = 48
    crop_margin: float = 0.1
    backbone: BackboneConfig = field(default_factory=BackboneConfig)
    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    classifier: ClassifierConfig = field(default_factory=ClassifierConfig)
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
    degradation: DegradationConfig = field(default_factory=DegradationConfig)
    validation: ValidationConfig = ValidationConfig()
    mirrored: bool = False

    def __post_init__(self) -> None:
        sizes = (
            *self.extractor.face_sizes.limits,
            *self.super_resolution.face_sizes.limits,
            *self.validation.face_sizes,
        )
        if max(sizes) > self.input_size:
            raise RecipeError(
                f"face sizes of recipe {self.name} are impossible",
                expected=f"1 to the input size, {self.input_size}",
                found=sizes,
            )

    def with_epochs(self, extractor: int, super_resolution: int) -> TrainRecipe:
        """Return the recipe with other lengths of its stages.

        Args:
            extractor: Epochs of stage 1.
            super_resolution: Epochs of stage 2 with all terms of its loss; 0 skips the stage.
        """
        pretrain = self.super_resolution.pretrain_epochs if super_resolution else 0
        return replace(
            self,
            extractor=replace(self.extractor, epochs=extractor),
            super_resolution=replace(self.super_resolution, epochs=super_resolution, pretrain_epochs=pretrain),
        )


def builtin_recipes() -> tuple[str, ...]:
    """Return the names of the recipes that come with fsrfer."""
    folder = resources.files(__package__) / "recipes"
    return tuple(sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml")))


def load_recipe(name: str) -> TrainRecipe:
    """Read a recipe.

    Args:
        name: Name of a built-in recipe, or path of a TOML file.

    Raises:
        RecipeError: There is no such recipe, it is not TOML, a key is unknown or missing, or a value is impossible.
    """
    if name in builtin_recipes():
        content = (resources.files(__package__) / "recipes" / f"{name}.toml").read_bytes()
    elif Path(name).is_file():
        content = Path(name).read_bytes()
    else:
        raise RecipeError(
            f"no recipe {name!r}", expected=f"one of {', '.join(builtin_recipes())}, or the path of a TOML file"
        )
    try:
        value = tomllib.loads(content.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as problem:
        raise RecipeError(f"recipe {name} is not TOML", found=str(problem)) from problem
    return from_mapping(TrainRecipe, value, where=f"recipe {name}", error=RecipeError)
