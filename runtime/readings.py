"""What came of reading a batch of faces, some of which may have got lost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..core.errors import InputSpecError
from ..core.predictions import ExpressionPredictions
from .remote import LossReason


@dataclass(frozen=True)
class Readings:
    """Readings of N faces.

    Attributes:
        predictions: What the model says; rows of faces that were not read hold NaN.
        losses: Why a face was not read, N entries; None where it was.
    """

    predictions: ExpressionPredictions
    losses: tuple[LossReason | None, ...]

    def __post_init__(self) -> None:
        if len(self.losses) != len(self.predictions):
            raise InputSpecError(
                "losses do not belong to the faces", expected=len(self.predictions), found=len(self.losses)
            )

    def __len__(self) -> int:
        return len(self.losses)

    @property
    def is_lost(self) -> npt.NDArray[np.bool_]:
        """Which faces were not read, bool (N,)."""
        return np.array([reason is not None for reason in self.losses], np.bool_)

    def part(self, start: int, stop: int) -> Readings:
        """Return the readings of some neighbours."""
        which = slice(start, stop)
        return Readings(self.predictions.select(which), self.losses[which])
