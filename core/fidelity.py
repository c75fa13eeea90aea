"""How closely one form of a model (INT8, FP16, an engine) decides like another, by face size and by expression."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .errors import CheckFailedError, InputSpecError
from .metrics import Interval, expected_calibration_error, paired_difference
from .predictions import softmax

Float32Array = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

_MAX_SQNR_DB = 200.0  # equal logits have no noise, and JSON has no infinity


@dataclass(frozen=True)
class Fidelity:
    """A candidate against its reference on some labelled faces.

    Attributes:
        faces: Number of faces, 1 or more.
        reference_accuracy: Fraction that the reference gets right.
        candidate_accuracy: Fraction that the candidate gets right.
        drop: The first less the second, and its 95 % interval from the faces that they decide differently.
        agreement: Fraction with the same most probable expression.
        max_logit_error: Largest absolute difference of a logit; infinite where one is not a number.
        mean_logit_error: Mean absolute difference of the logits.
        reference_calibration_error: Expected calibration error of the reference, 15 bins.
        candidate_calibration_error: That of the candidate.
        not_finite: Logits of the candidate that are NaN or infinite.
    """

    faces: int
    reference_accuracy: float
    candidate_accuracy: float
    drop: Interval
    agreement: float
    max_logit_error: float
    mean_logit_error: float
    reference_calibration_error: float
    candidate_calibration_error: float
    not_finite: int


@dataclass(frozen=True)
class BandFidelity:
    """Faces of one size.

    Attributes:
        face_size_px: Their native side in pixels.
        overall: All of them; None where there are none.
        by_label: Those of each expression; None where there are none.
    """

    face_size_px: int
    overall: Fidelity | None
    by_label: dict[str, Fidelity | None]


@dataclass(frozen=True)
class Bounds:
    """How far a candidate may be from its reference at the worst face size.

    Attributes:
        max_drop: Largest loss of accuracy, as a fraction; None for any.
        min_agreement: Smallest fraction of equal decisions.
        max_logit_error: Largest absolute difference of a logit; None for any.
        max_calibration_rise: Largest increase of the expected calibration error; None for any.
    """

    max_drop: float | None = None
    min_agreement: float = 0.0
    max_logit_error: float | None = None
    max_calibration_rise: float | None = None

    def violation(self, found: Fidelity) -> str | None:
        """Say in which respect a candidate is too far away; None where it is in none."""
        if found.not_finite:
            return f"{found.not_finite} logits that are not finite"
        # Written as "not within", so that NaN fails.
        if self.max_drop is not None and not found.drop.value <= self.max_drop:
            return f"a loss of {100 * found.drop.value:.2f} points of accuracy"
        if not found.agreement >= self.min_agreement:
            return f"{found.agreement:.2%} equal decisions"
        if self.max_logit_error is not None and not found.max_logit_error <= self.max_logit_error:
            return f"a logit that differs by {found.max_logit_error:.3g}"
        rise = found.candidate_calibration_error - found.reference_calibration_error
        if self.max_calibration_rise is not None and not rise <= self.max_calibration_rise:
            return f"a calibration error that is {100 * rise:.2f} points higher"
        return None

    def __str__(self) -> str:
        parts = [f"{self.min_agreement:.2%} equal decisions" if self.min_agreement else ""]
        parts += ["" if self.max_drop is None else f"at most {100 * self.max_drop:.2f} points of accuracy lost"]
        parts += ["" if self.max_logit_error is None else f"logits within {self.max_logit_error:g}"]
        rise = self.max_calibration_rise
        parts += ["" if rise is None else f"at most {100 * rise:.2f} points more calibration error"]
        return ", ".join([part for part in parts if part] or ["finite logits"])


@dataclass(frozen=True)
class FidelityReport:
    """A candidate against its reference, one band a face size.

    Attributes:
        reference: Name of what counts as right.
        candidate: Name of what is compared.
        dataset_id: Identity of the faces.
        bands: One entry a face size.
    """

    reference: str
    candidate: str
    dataset_id: str
    bands: tuple[BandFidelity, ...]

    @property
    def worst_drop(self) -> tuple[int, Fidelity] | None:
        """Size and result of the populated band that loses most; None where no band has a face."""
        populated = [(band.face_size_px, band.overall) for band in self.bands if band.overall is not None]
        return max(populated, key=lambda item: item[1].drop.value, default=None)

    def violations(self, bounds: Bounds) -> list[tuple[int, str]]:
        """Return the populated bands beyond the bounds, as size and what is wrong."""
        found = [(b.face_size_px, bounds.violation(b.overall)) for b in self.bands if b.overall is not None]
        return [(size, problem) for size, problem in found if problem is not None]

    def raise_if_beyond(self, bounds: Bounds) -> None:
        """Raise where a populated band is beyond the bounds, or where no band has a face: that is no pass.

        Raises:
            CheckFailedError: Says at which sizes, and in which respect.
        """
        if self.worst_drop is None:
            raise CheckFailedError(
                f"{self.candidate} was not compared with {self.reference}",
                expected="faces at one size or more",
                found="no data",
            )
        problems = self.violations(bounds)
        if problems:
            raise CheckFailedError(
                f"{self.candidate} is too far from {self.reference}",
                expected=str(bounds),
                found="; ".join(f"{problem} at {size} px" for size, problem in problems),
                fix="serve another precision, calibrate on more faces, or keep sensitive layers in float",
            )


def compare_band(
    face_size_px: int,
    labels: IntArray,
    names: Sequence[str],
    reference: Float32Array,
    candidate: Float32Array,
    temperatures: Float32Array | float = 1.0,
) -> BandFidelity:
    """Compare the logits of two forms of a model on the faces of one size.

    Args:
        face_size_px: Native side of the faces.
        labels: int64 (N,), true expressions; N may be 0.
        names: Names of the K expressions.
        reference: float32 (N, K), finite.
        candidate: float32 (N, K).
        temperatures: What logits are divided by before the softmax, float32 (N,) or one for all.

    Raises:
        InputSpecError: The shapes do not fit each other.
    """
    shape = len(labels), len(names)
    if reference.shape != shape or candidate.shape != shape:
        raise InputSpecError("logits do not fit the faces", expected=shape, found=(reference.shape, candidate.shape))
    scale = np.broadcast_to(np.asarray(temperatures, np.float32), labels.shape)

    def of(members: npt.NDArray[np.bool_]) -> Fidelity | None:
        if not members.any():
            return None
        return _compare(labels[members], reference[members], candidate[members], scale[members])

    everyone = np.ones(len(labels), np.bool_)
    by_label = {name: of(labels == index) for index, name in enumerate(names)}
    return BandFidelity(face_size_px, of(everyone), by_label)


def compare_sizes(
    names: tuple[str, str],
    dataset_id: str,
    labels: IntArray,
    expressions: Sequence[str],
    reference: Mapping[int, Float32Array],
    candidate: Mapping[int, Float32Array],
    temperatures: Mapping[int, Float32Array],
) -> FidelityReport:
    """Compare the logits of two forms of a model on the same faces at several sizes.

    Args:
        names: Names of reference and candidate.
        dataset_id: Identity of the faces.
        labels: int64 (N,), true expressions.
        expressions: Names of the K expressions.
        reference: By native face size in pixels, float32 (N, K), finite.
        candidate: The same of the candidate.
        temperatures: By size, what logits are divided by before the softmax, float32 (N,).
    """
    bands = tuple(
        compare_band(size, labels, expressions, reference[size], candidate[size], temperatures[size])
        for size in reference
    )
    return FidelityReport(*names, dataset_id, bands)


def _compare(labels: IntArray, reference: Float32Array, candidate: Float32Array, scale: Float32Array) -> Fidelity:
    not_finite = int(np.count_nonzero(~np.isfinite(candidate)))
    usable = np.nan_to_num(candidate, nan=0.0, posinf=0.0, neginf=0.0) if not_finite else candidate
    # A face with a logit that is no number has no decision: it counts as wrong and as different.
    decided = np.isfinite(candidate).all(axis=1)
    first, second = reference.argmax(axis=1), usable.argmax(axis=1)
    right = (second == labels) & decided
    error = np.abs(reference.astype(np.float64) - usable)
    return Fidelity(
        faces=len(labels),
        reference_accuracy=float((first == labels).mean()),
        candidate_accuracy=float(right.mean()),
        drop=paired_difference(first == labels, right),
        agreement=float(((first == second) & decided).mean()),
        max_logit_error=float("inf") if not_finite else float(error.max()),
        mean_logit_error=float(error.mean()),
        reference_calibration_error=expected_calibration_error(softmax(reference / scale[:, None]), labels),
        candidate_calibration_error=expected_calibration_error(softmax(usable / scale[:, None]), labels),
        not_finite=not_finite,
    )


def sqnr_db(reference: Float32Array, candidate: Float32Array) -> float:
    """Return the signal to quantisation noise ratio, 10 log10(sum r^2 / sum (r - c)^2), in dB, at most 200."""
    signal = float(np.square(reference, dtype=np.float64).sum())
    noise = float(np.square(reference.astype(np.float64) - candidate).sum())
    if noise == 0.0:
        return _MAX_SQNR_DB
    return min(_MAX_SQNR_DB, 10.0 * float(np.log10(max(signal, 1e-30) / noise)))
