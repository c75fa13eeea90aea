"""The values that rebuild a network around its weights; they stand in the bundle under ``architecture``."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from ...core.errors import RecipeError
from ..ranges import require


class GeneratorKind(str, Enum):
    """How small-face features become like full-size ones."""

    NONE = "none"
    """Not at all: the backbone's features go to the classifier as they are."""

    RRDB = "rrdb"
    """The paper's residual-in-residual dense blocks, without a skip from input to output."""

    RESIDUAL = "residual"
    """A small correction that is added to the features, conditioned on the face's native size."""


@dataclass(frozen=True)
class BackboneConfig:
    """A residual network of 3x3 convolutions.

    Attributes:
        stem_channels: Channels of the first convolution, at full resolution.
        stage_channels: Channels of each stage; each halves the resolution.
        blocks_per_stage: Residual blocks in each stage.
        size_conditioned: Scale and shift the features after the stem and each stage by what the face's native size
            asks for.
    """

    stem_channels: int = 32
    stage_channels: tuple[int, ...] = (48, 96, 160)
    blocks_per_stage: int = 2
    size_conditioned: bool = False

    def __post_init__(self) -> None:
        require(self, "1 or more", "stem_channels", "stage_channels", "blocks_per_stage")
        if not self.stage_channels:
            raise RecipeError("the backbone has no stage", expected="one or more stage_channels", found="none")


@dataclass(frozen=True)
class GeneratorConfig:
    """A feature generator.

    Attributes:
        kind: Which one.
        channels: Inner channels.
        growth: Channels that each dense convolution adds (RRDB).
        blocks: Number of blocks.
        residual_scale: Weight of each inner residual (RRDB).
        bypass_full_size: Let faces that fill the model's input pass unchanged, so that a generator trained on small
            faces cannot harm large ones.
    """

    kind: GeneratorKind = GeneratorKind.RESIDUAL
    channels: int = 64
    growth: int = 16
    blocks: int = 1
    residual_scale: float = 0.2
    bypass_full_size: bool = False

    def __post_init__(self) -> None:
        require(self, "1 or more", "channels", "growth", "blocks")
        require(self, "above 0", "residual_scale")


@dataclass(frozen=True)
class ClassifierConfig:
    """Pooling, embedding, logits.

    Attributes:
        embedding: Length of the embedding, the paper's perceptual feature.
        dropout: Fraction of the embedding that is dropped in training.
    """

    embedding: int = 128
    dropout: float = 0.1

    def __post_init__(self) -> None:
        require(self, "1 or more", "embedding")
        require(self, "0 or more, below 1", "dropout")


@dataclass(frozen=True)
class NetworkConfig:
    """Everything that rebuilds a network.

    Attributes:
        input_channels: 1 for grey faces, 3 for RGB.
        input_size: Height and width of the input, a multiple of two to the power of the number of stages.
        classes: Number of expressions.
        backbone: Face to feature map.
        generator: Feature map to feature map.
        classifier: Feature map to logits.
        mirrored: Outside of training, return the mean of the logits of a face and its mirror image.
    """

    input_channels: int
    input_size: int
    classes: int
    backbone: BackboneConfig = BackboneConfig()
    generator: GeneratorConfig = GeneratorConfig()
    classifier: ClassifierConfig = ClassifierConfig()
    mirrored: bool = False

    def __post_init__(self) -> None:
        factor = 1 << len(self.backbone.stage_channels)
        if self.input_channels not in (1, 3) or self.input_size % factor or self.input_size < factor:
            raise RecipeError(
                "the network cannot be built",
                expected=f"1 or 3 input channels, an input size that is a multiple of {factor}",
                found=f"{self.input_channels} channels, size {self.input_size}",
            )

    @property
    def feature_channels(self) -> int:
        """Channels of the feature map."""
        return self.backbone.stage_channels[-1]

    @property
    def feature_size(self) -> int:
        """Height and width of the feature map."""
        return self.input_size >> len(self.backbone.stage_channels)
