"""Training recipes: small TOML files read into frozen dataclasses."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace
from enum import Enum
from importlib import resources
from pathlib import Path

from ..core.errors import RecipeError
from ..core.preprocess import ColorMode
from ..core.schema import from_mapping
from ..datasets.realistic import DegradationRange
from .models.architecture import BackboneConfig, ClassifierConfig, GeneratorConfig
from .ranges import require

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclass(frozen=True)
class AugmentationConfig:
    """Random changes of a training face. All lengths are fractions of the face's side.

    Attributes:
        flip: Probability of a mirror image.
        shift: Largest shift along each axis.
        scale: Largest relative change of size.
        rotation_deg: Largest rotation, in degrees.
        brightness: Largest change of brightness, as a fraction of full scale.
        contrast: Largest relative change of contrast.
        erase: Probability that a rectangle is painted over.
        erase_side: Largest side of that rectangle.
    """

    flip: float = 0.5
    shift: float = 0.06
    scale: float = 0.1
    rotation_deg: float = 8.0
    brightness: float = 0.1
    contrast: float = 0.2
    erase: float = 0.25
    erase_side: float = 0.35

    def __post_init__(self) -> None:
        require(self, "0 to 1", "flip", "shift", "brightness", "contrast", "erase", "erase_side")
        require(self, "0 or more, below 1", "scale")
        require(self, "0 or more", "rotation_deg")


@dataclass(frozen=True)
class FaceSizes:
    """Which native sizes training faces are given, in pixels.

    Attributes:
        choices: Sizes drawn with equal probability; empty to draw from the range instead.
        smallest: Lower end of the range; sizes are drawn uniformly in their logarithm.
        full_fraction: Fraction of faces that stay at the model's input size.
    """

    choices: tuple[int, ...] = ()
    smallest: int = 8
    full_fraction: float = 0.3

    def __post_init__(self) -> None:
        require(self, "1 or more", "choices", "smallest")
        require(self, "0 to 1", "full_fraction")

    @property
    def limits(self) -> tuple[int, ...]:
        """Sizes that must not exceed the model's input; none where all faces stay at full size."""
        if self.full_fraction >= 1.0:
            return ()
        return self.choices or (self.smallest,)


@dataclass(frozen=True)
class DegradationConfig:
    """Small training faces as cameras deliver them.

    Attributes:
        fraction: Share of the small faces that are blurred, resampled by any kernel, made noisy and compressed; the
            others are shrunk by anti-aliased bicubic interpolation and nothing else.
        ranges: How bad it can get. Shift, scale and rotation are not used: they belong to the augmentation, which the
            full-size face of a pair shares.
    """

    fraction: float = 0.0
    ranges: DegradationRange = field(default_factory=DegradationRange)

    def __post_init__(self) -> None:
        require(self, "0 to 1", "fraction")


class OptimizerKind(str, Enum):
    """What moves the weights."""

    ADAMW = "adamw"
    MUON = "muon"
    """Orthogonalised momentum for convolutions, AdamW for the rest (see :mod:`fsrfer.training.muon`)."""


@dataclass(frozen=True)
class ExtractorConfig:
    """Stage 1: the FER model, backbone and classifier.

    Attributes:
        epochs: Passes over the training faces.
        batch_size: Faces in a step.
        optimizer: What moves the weights.
        learning_rate: Peak of the schedule (linear warm-up, then half a cosine down to 0).
        weight_decay: Decoupled weight decay.
        warmup_fraction: Part of all steps that the learning rate takes to rise.
        label_smoothing: Share of the label that is spread over all classes.
        soft_labels: Learn the annotators' distribution where the data set has one.
        ema_decay: Decay a step of the weights' moving average; the average is what is evaluated and kept.
        face_sizes: Native sizes to train on.
    """

    epochs: int
    batch_size: int = 64
    optimizer: OptimizerKind = OptimizerKind.ADAMW
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    warmup_fraction: float = 0.05
    label_smoothing: float = 0.05
    soft_labels: bool = True
    ema_decay: float = 0.998
    face_sizes: FaceSizes = FaceSizes()

    def __post_init__(self) -> None:
        require(self, "1 or more", "epochs", "batch_size")
        require(self, "above 0", "learning_rate")
        require(self, "0 or more", "weight_decay")
        require(self, "0 to 1", "warmup_fraction", "label_smoothing", "ema_decay")


class Reweighting(str, Enum):
    """Weight of a face in the losses of stage 2."""

    NONE = "none"
    CLASSIFICATION_AWARE = "classification-aware"
    """w = (1.5 - p)^2 with p the probability of the true class on the generated features (Jing et al., 2020)."""


@dataclass(frozen=True)
class LossWeights:
    """Weights of the terms of the generator's loss; a term of weight 0 is not computed.

    Attributes:
        adversarial: Score of the discriminator on generated features.
        feature: Mean squared difference of generated and full-size feature maps.
        perceptual: Mean squared difference of the embeddings.
        classification: Cross-entropy of the logits.
        distillation: Kullback-Leibler divergence from the teacher's probabilities on the full-size face.
    """

    adversarial: float = 0.0
    feature: float = 0.0
    perceptual: float = 0.0
    classification: float = 0.0
    distillation: float = 0.0

    def __post_init__(self) -> None:
        require(self, "0 or more", *vars(self))
        if not any(vars(self).values()):
            raise RecipeError("the loss has no term", expected="a weight above 0 for one term or more", found="none")


@dataclass(frozen=True)
class SuperResolutionConfig:
    """Stage 2: feature super-resolution.

    Attributes:
        epochs: Passes with all terms of the loss; 0 skips the stage.
        pretrain_epochs: Passes before, with the feature term alone.
        batch_size: Pairs in a step.
        optimizer: What moves the weights of generator, backbone and classifier; a discriminator is always Adam's.
        learning_rate: Of the generator (and the discriminator); half a cosine down to 0 within each phase.
        pretrain_learning_rate: The same before.
        beta1: Adam's first decay; WGANs want 0.
        train_extractor: Go on training backbone and classifier with the generator.
        extractor_learning_rate: Their learning rate.
        warmup_fraction: Part of the steps with all terms that the learning rate takes to rise.
        weight_decay: Decoupled weight decay.
        temperature: Softens both sides of the distillation.
        reweighting: Weight of each face.
        weights: Weights of the terms.
        gradient_penalty_k: WGAN-div's k.
        gradient_penalty_p: WGAN-div's p.
        ema_decay: Decay a step of the weights' moving average; 0 for none.
        face_sizes: Native sizes of the small faces.
    """

    epochs: int
    pretrain_epochs: int = 0
    batch_size: int = 64
    optimizer: OptimizerKind = OptimizerKind.ADAMW
    learning_rate: float = 3e-4
    pretrain_learning_rate: float = 2e-4
    beta1: float = 0.9
    train_extractor: bool = False
    extractor_learning_rate: float = 1e-4
    warmup_fraction: float = 0.0
    weight_decay: float = 0.0
    temperature: float = 2.0
    reweighting: Reweighting = Reweighting.NONE
    weights: LossWeights = LossWeights(feature=1.0)
    gradient_penalty_k: float = 2.0
    gradient_penalty_p: float = 6.0
    ema_decay: float = 0.998
    face_sizes: FaceSizes = FaceSizes()

    def __post_init__(self) -> None:
        require(self, "1 or more", "batch_size")
        require(self, "0 or more", "epochs", "pretrain_epochs", "weight_decay", "gradient_penalty_k")
        require(self, "above 0", "learning_rate", "pretrain_learning_rate", "extractor_learning_rate")
        require(self, "above 0", "temperature", "gradient_penalty_p")
        require(self, "0 or more, below 1", "beta1")
        require(self, "0 to 1", "ema_decay", "warmup_fraction")


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
    augmentation: AugmentationConfig = AugmentationConfig()
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
