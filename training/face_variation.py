"""How training faces vary: random changes, native sizes, what cameras do to them."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..datasets.realistic import DegradationRange
from .ranges import require


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
        mix: Probability that a face is blended with another one, and its label with that one's (Zhang et al., "mixup:
            beyond empirical risk minimization", 2018).
    """

    flip: float = 0.5
    shift: float = 0.06
    scale: float = 0.1
    rotation_deg: float = 8.0
    brightness: float = 0.1
    contrast: float = 0.2
    erase: float = 0.25
    erase_side: float = 0.35
    mix: float = 0.0

    def __post_init__(self) -> None:
        require(self, "0 to 1", "flip", "shift", "brightness", "contrast", "erase", "erase_side", "mix")
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
