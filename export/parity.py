"""How far two implementations of one model are apart, by face size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..core.errors import ParityError
from ..core.preprocess import PreprocessSpec, preprocess
from ..core.resample import bicubic_resize

Logits = npt.NDArray[np.float32]
Classify = Callable[[npt.NDArray[np.uint8], Logits], Logits]
"""From faces, uint8 (N, C, H, W), and native sizes, float32 (N,), to logits, float32 (N, K)."""


@dataclass(frozen=True)
class ParityRow:
    """Agreement on the faces of one size.

    Attributes:
        face_size_px: Native side of the faces, in pixels.
        count: Number of faces.
        max_error: Largest absolute difference of a logit.
        mean_error: Mean absolute difference of the logits.
        agreement: Fraction of faces with the same most probable class.
    """

    face_size_px: int
    count: int
    max_error: float
    mean_error: float
    agreement: float


@dataclass(frozen=True)
class ParityReport:
    """Agreement of a candidate with a reference, one row a face size."""

    reference: str
    candidate: str
    rows: tuple[ParityRow, ...]

    def raise_if_above(self, max_error: float, *, min_agreement: float = 1.0) -> None:
        """Raise where the candidate is further from the reference than allowed.

        Args:
            max_error: Largest absolute difference of a logit that is allowed.
            min_agreement: Smallest fraction of equal decisions that is allowed.

        Raises:
            ParityError: A size is beyond a bound, or something is not a number; the message names the worst size.
        """
        # Written as "not within", so that NaN fails.
        failing = [row for row in self.rows if not (row.max_error <= max_error and row.agreement >= min_agreement)]
        if failing:
            worst = min(failing, key=lambda row: (row.agreement, -row.max_error))
            raise ParityError(
                f"{self.candidate} differs from {self.reference} at {worst.face_size_px} px",
                expected=f"logits within {max_error:g} and {min_agreement:.2%} equal decisions",
                found=f"a difference of {worst.max_error:.3g} and {worst.agreement:.2%} over {worst.count} faces",
                fix="keep the reference, and report the model that shows this",
            )


def compare(
    reference: tuple[str, Classify],
    candidate: tuple[str, Classify],
    faces: Sequence[npt.NDArray[np.uint8]],
    spec: PreprocessSpec,
    sizes: Sequence[int],
) -> ParityReport:
    """Run two implementations on the same faces at several sizes.

    Args:
        reference: Name and implementation that counts as right.
        candidate: Name and implementation that is compared.
        faces: Face images, uint8, at least as large as the largest size.
        spec: Preprocessing of the model.
        sizes: Native face sizes in pixels; faces are down-sampled to each.
    """
    rows = []
    for size in sizes:
        batch, face_size_px = preprocess([bicubic_resize(face, size) for face in faces], spec)
        rows.append(_row(size, reference[1](batch, face_size_px), candidate[1](batch, face_size_px)))
    return ParityReport(reference[0], candidate[0], tuple(rows))


def _row(size: int, reference: Logits, candidate: Logits) -> ParityRow:
    error = np.abs(reference.astype(np.float64) - candidate.astype(np.float64))
    same = reference.argmax(axis=1) == candidate.argmax(axis=1)
    return ParityRow(size, len(reference), float(error.max()), float(error.mean()), float(same.mean()))
