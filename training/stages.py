"""Settings of the two stages of training."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from ..core.errors import RecipeError
from .face_variation import FaceSizes
from .ranges import require


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
    face_sizes: FaceSizes = field(default_factory=FaceSizes)

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
    face_sizes: FaceSizes = field(default_factory=FaceSizes)

    def __post_init__(self) -> None:
        require(self, "1 or more", "batch_size")
        require(self, "0 or more", "epochs", "pretrain_epochs", "weight_decay", "gradient_penalty_k")
        require(self, "above 0", "learning_rate", "pretrain_learning_rate", "extractor_learning_rate")
        require(self, "above 0", "temperature", "gradient_penalty_p")
        require(self, "0 or more, below 1", "beta1")
        require(self, "0 to 1", "ema_decay", "warmup_fraction")
