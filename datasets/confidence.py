"""Fitting confidence to accuracy: one temperature for each band of face sizes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from ..core.bundle import TemperatureBand
from ..core.errors import InputSpecError
from ..core.predictions import softmax
from ..core.selective import risk_coverage
from ..core.temperature import temperatures_for
from .evaluation import EvaluationReport, SizeReport

RISKS: tuple[float, ...] = (0.2, 0.1, 0.05)
"""Shares of wrong answers that thresholds are given for."""

_LOW, _HIGH = math.log(0.05), math.log(20.0)


def fit_temperature(logits: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> float:
    """Return the temperature that minimises the negative log-likelihood (Guo et al., ICML 2017, section 4.2).

    The likelihood is concave in 1 / T, so bisection on its derivative finds the one optimum.

    Args:
        logits: float32 (N, K), N at least 1.
        labels: int64 (N,).

    Returns:
        0.05 to 20. The upper end means that the logits say nothing; the lower one, that they are never wrong.

    Raises:
        InputSpecError: The arrays are empty or do not fit each other.
    """
    if logits.ndim != 2 or labels.shape != (len(logits),) or len(labels) == 0:
        raise InputSpecError(
            "no temperature can be fitted",
            expected="logits (N, K) and labels (N,), N at least 1",
            found=f"{logits.shape} and {labels.shape}",
        )
    wide = logits.astype(np.float64)
    right = wide[np.arange(len(labels)), labels]

    def surplus(log_temperature: float) -> float:
        # d NLL / d (1/T): mean expected logit minus mean logit of the truth. It falls as T rises.
        scaled = wide * math.exp(-log_temperature)
        scaled -= scaled.max(axis=1, keepdims=True)
        weights = np.exp(scaled)
        expected = (weights * wide).sum(axis=1) / weights.sum(axis=1)
        return float(np.mean(expected - right))

    low, high = _LOW, _HIGH
    for _ in range(60):
        middle = 0.5 * (low + high)
        if surplus(middle) > 0.0:
            low = middle
        else:
            high = middle
    return math.exp(0.5 * (low + high))


def fit_temperature_bands(
    reports: Sequence[EvaluationReport], labels: npt.NDArray[np.int64]
) -> tuple[TemperatureBand, ...]:
    """Fit one temperature for each size of evaluations on the validation split.

    Where the same faces were evaluated on several tracks, a temperature is that of all of them together: a model is
    less sure of blurred faces, but not by as much as it is more often wrong, and what a camera delivers lies between.

    A band reaches from the geometric mean with the next smaller size to that with the next larger one. It is fitted on
    the faces whose native size lies in it: a face that is smaller in the data set belongs to a lower band, whatever
    size was asked for. A band without faces is left out, and the one below reaches over it.

    Args:
        reports: Evaluations of the same validation faces at the same sizes, one a track; temperatures do not matter.
        labels: int64 (N,), their labels.

    Returns:
        Bands in ascending order from 0, for ``BundleManifest.temperatures``.

    Raises:
        InputSpecError: There is no report, or one lacks a size that the first has.
    """
    if not reports:
        raise InputSpecError("no temperature can be fitted", expected="an evaluation of validation faces", found="none")
    sizes = sorted(row.face_size_px for row in reports[0].sizes)
    borders = [0.0, *(round(math.sqrt(below * above), 2) for below, above in pairwise(sizes)), math.inf]
    bands = []
    for size, (start, end) in zip(sizes, pairwise(borders), strict=True):
        logits, truth = _inside(reports, labels, size, (start, end))
        if len(truth):
            bands.append(TemperatureBand(start, round(fit_temperature(logits, truth), 4)))
    return (replace(bands[0], min_face_px=0.0), *bands[1:])


def _inside(
    reports: Sequence[EvaluationReport], labels: npt.NDArray[np.int64], size: int, band: tuple[float, float]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Return logits and labels of the faces that were asked for at a size and are of a band, on all tracks."""
    rows = [report.at(size) for report in reports]
    members = [(band[0] <= row.native_px) & (row.native_px < band[1]) for row in rows]
    logits = np.concatenate([row.logits[inside] for row, inside in zip(rows, members, strict=True)])
    return logits, np.concatenate([labels[inside] for inside in members])


@dataclass(frozen=True)
class AbstentionRow:
    """A threshold of confidence at one face size, chosen on validation faces and tried on test faces.

    Attributes:
        face_size_px: Native face size.
        target_risk: Share of wrong answers that the threshold was chosen for, on validation.
        threshold: Confidence below which the model says nothing; above 1 where no threshold keeps the risk.
        coverage: Share of the test faces that are answered.
        risk: Share of wrong answers among them; 0 where none is answered.
    """

    face_size_px: int
    target_risk: float
    threshold: float
    coverage: float
    risk: float


def abstention_rows(
    valid: EvaluationReport, test: EvaluationReport, bands: Sequence[TemperatureBand], risks: Sequence[float] = RISKS
) -> tuple[AbstentionRow, ...]:
    """Choose thresholds on validation faces and try them on test faces.

    Args:
        valid: Evaluation on the validation split.
        test: Evaluation on the test split, at the same sizes.
        bands: Confidence calibration.
        risks: Shares of wrong answers to keep, 0 to 1.

    Returns:
        One row for each size and risk.
    """
    rows = []
    for chosen_on in valid.sizes:
        tried_on = test.at(chosen_on.face_size_px)
        curve = risk_coverage(confidence_of(chosen_on, bands), chosen_on.correct)
        confidence = confidence_of(tried_on, bands)
        for risk in risks:
            threshold = min(curve.threshold_for(risk)[0], 1.01)
            answered = confidence >= threshold
            wrong = float(np.mean(~tried_on.correct[answered])) if answered.any() else 0.0
            rows.append(AbstentionRow(chosen_on.face_size_px, risk, round(threshold, 3), float(answered.mean()), wrong))
    return tuple(rows)


def confidence_of(row: SizeReport, bands: Sequence[TemperatureBand]) -> npt.NDArray[np.float32]:
    """Return the calibrated probability of each face's answer, float32 (N,).

    Args:
        row: Evaluation at one size.
        bands: Confidence calibration, ascending in size.
    """
    probabilities = softmax(row.logits / temperatures_for(row.native_px, bands)[:, None])
    return np.asarray(probabilities.max(axis=1), np.float32)
