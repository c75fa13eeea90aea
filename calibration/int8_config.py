"""How INT8 graphs are made."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from ..core.errors import CalibrationError


class RangeMethod(str, Enum):
    """How the range of an activation follows from what was seen."""

    MINMAX = "minmax"
    """All that was seen."""

    PERCENTILE = "percentile"
    """A part of the values, equally many above and below it left out."""

    MSE = "mse"
    """Least mean squared difference of the values and their quantised forms."""

    ENTROPY = "entropy"
    """Least divergence of the quantised distribution from the one that was seen (Migacz, 2017)."""


@dataclass(frozen=True)
class Int8Config:
    """How INT8 graphs are made.

    Attributes:
        samples: Number of faces that the ranges are measured on.
        held_out: Number of other faces that the result is checked on.
        sizes: Native face sizes in pixels, in equal shares.
        method: How ranges follow from what was seen.
        percentile: What part of an activation's values lies inside its range, in percent; for that method only.
        seed: Key of the draw of faces.
        keep_float: Regular expressions; nodes whose names contain a match stay in floating point.
        min_agreement: Smallest fraction of held-out faces on which INT8 and FP32 must agree.
    """

    samples: int = 512
    held_out: int = 256
    sizes: tuple[int, ...] = (48, 32, 24, 16, 12, 8)
    method: RangeMethod = RangeMethod.MSE
    percentile: float = 99.99
    seed: int = 0
    keep_float: tuple[str, ...] = ()
    min_agreement: float = 0.9

    def __post_init__(self) -> None:
        if not 50.0 < self.percentile <= 100.0 or not 0.0 <= self.min_agreement <= 1.0:
            raise CalibrationError(
                "impossible calibration options",
                expected="a percentile above 50 and up to 100, an agreement from 0 to 1",
                found=f"{self.percentile}, {self.min_agreement}",
            )
