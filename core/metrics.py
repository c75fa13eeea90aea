"""Figures of merit of a classifier, with the uncertainty that the number of faces leaves.

Every array argument has one entry a face. Labels and predictions are class indices from 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from .errors import InputSpecError

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Interval:
    """An estimate and its confidence interval.

    Attributes:
        value: The estimate.
        low: Lower end, at most ``value``.
        high: Upper end, at least ``value``.
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2%} [{self.low:.2%}, {self.high:.2%}]"


@dataclass(frozen=True)
class PairedTest:
    """McNemar's test of two classifiers on the same faces.

    Attributes:
        only_first: Faces that only the first one gets right.
        only_second: Faces that only the second one gets right.
        p_exact: Two-sided exact p-value; conservative.
        p_mid: Two-sided mid-p-value; the better choice where few faces differ.
    """

    only_first: int
    only_second: int
    p_exact: float
    p_mid: float


def accuracy(labels: IntArray, predictions: IntArray, *, confidence: float = 0.95) -> Interval:
    """Return the fraction of right predictions with Wilson's score interval.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927). Unlike the
    usual normal interval, it stays inside 0 to 1 and is not empty when all faces are right.

    Args:
        labels: int64 (N,), N at least 1.
        predictions: int64 (N,).
        confidence: Coverage of the interval, above 0 and below 1.

    Raises:
        InputSpecError: The arrays are empty or differ in shape.
    """
    _check_pair(labels, predictions)
    count = len(labels)
    fraction = float(np.mean(labels == predictions))
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    shrink = 1 + z * z / count
    center = (fraction + z * z / (2 * count)) / shrink
    half = z / shrink * math.sqrt(fraction * (1 - fraction) / count + z * z / (4 * count * count))
    # At 0 and 1 the formula meets the estimate exactly; rounding must not put it on the wrong side.
    return Interval(fraction, min(max(center - half, 0.0), fraction), max(min(center + half, 1.0), fraction))


def class_recalls(labels: IntArray, predictions: IntArray) -> dict[int, float]:
    """Return the recall of every class that occurs among the labels.

    Args:
        labels: int64 (N,), N at least 1.
        predictions: int64 (N,).
    """
    _check_pair(labels, predictions)
    return {int(label): float(np.mean(predictions[labels == label] == label)) for label in np.unique(labels)}


def mean_class_accuracy(
    labels: IntArray,
    predictions: IntArray,
    *,
    confidence: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> Interval:
    """Return the recall averaged over the classes that occur, with a bootstrap percentile interval.

    The bootstrap is stratified: faces are drawn with replacement inside each class, so that a rare class cannot vanish
    from a resample. The number of right ones in such a draw is binomial, and is drawn as that.

    Args:
        labels: int64 (N,), N at least 1.
        predictions: int64 (N,).
        confidence: Coverage of the interval, above 0 and below 1.
        resamples: Number of bootstrap draws.
        seed: Key of the draws.

    Raises:
        InputSpecError: The arrays are empty or differ in shape.
    """
    recalls = class_recalls(labels, predictions)
    counts = np.array([np.sum(labels == label) for label in recalls])
    fractions = np.array(list(recalls.values()))
    value = float(fractions.mean())
    draws = np.random.default_rng(seed).binomial(counts, fractions, size=(resamples, len(counts)))
    tail = (1 - confidence) / 2
    low, high = np.quantile((draws / counts).mean(axis=1), [tail, 1 - tail])
    return Interval(value, min(float(low), value), max(float(high), value))


def macro_f1(labels: IntArray, predictions: IntArray) -> float:
    """Return F1 averaged over the classes that occur among labels or predictions, 0 to 1.

    Args:
        labels: int64 (N,), N at least 1.
        predictions: int64 (N,).
    """
    _check_pair(labels, predictions)
    scores = []
    for label in np.union1d(labels, predictions):
        right = np.sum((labels == label) & (predictions == label))
        scores.append(2 * right / (np.sum(labels == label) + np.sum(predictions == label)))
    return float(np.mean(scores))


def confusion_matrix(labels: IntArray, predictions: IntArray, classes: int) -> IntArray:
    """Count predictions by true class.

    Args:
        labels: int64 (N,), 0 to ``classes`` - 1.
        predictions: int64 (N,), 0 to ``classes`` - 1.
        classes: Number of classes K.

    Returns:
        int64 (K, K); row: true class, column: predicted class.

    Raises:
        InputSpecError: The arrays are empty, differ in shape, or hold an index outside the classes.
    """
    _check_pair(labels, predictions)
    lowest = min(labels.min(), predictions.min())
    highest = max(labels.max(), predictions.max())
    if lowest < 0 or highest >= classes:
        raise InputSpecError("class index out of range", expected=f"0 to {classes - 1}", found=f"{lowest} to {highest}")
    counts = np.bincount(labels * classes + predictions, minlength=classes * classes)
    return counts.reshape(classes, classes).astype(np.int64)


def expected_calibration_error(probabilities: FloatArray, labels: IntArray, *, bins: int = 15) -> float:
    """Return how far confidence and accuracy are apart, 0 to 1.

    Guo et al., "On calibration of modern neural networks" (ICML 2017), equation 5: faces are binned by confidence into
    equal widths, each open below and closed above; the distances are weighted by the bins' shares of the faces.

    Args:
        probabilities: float32 (N, K), rows sum to 1, N at least 1.
        labels: int64 (N,).
        bins: Number of bins.

    Raises:
        InputSpecError: The arrays are empty or do not fit each other.
    """
    _check_scores(probabilities, labels)
    confidence = probabilities.max(axis=1).astype(np.float64)
    right = probabilities.argmax(axis=1) == labels
    which = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    surplus = np.bincount(which, weights=confidence - right, minlength=bins)
    return float(np.abs(surplus).sum() / len(labels))


def negative_log_likelihood(logits: FloatArray, labels: IntArray) -> float:
    """Return the mean negative logarithm of the true class's probability, in nats.

    Args:
        logits: float32 (N, K), N at least 1; they need not be normalised.
        labels: int64 (N,).

    Raises:
        InputSpecError: The arrays are empty or do not fit each other.
    """
    _check_scores(logits, labels)
    wide = logits.astype(np.float64)
    shifted = wide - wide.max(axis=1, keepdims=True)
    log_sums = np.log(np.exp(shifted).sum(axis=1))
    return float(np.mean(log_sums - shifted[np.arange(len(labels)), labels]))


def mcnemar(first_right: npt.NDArray[np.bool_], second_right: npt.NDArray[np.bool_]) -> PairedTest:
    """Test whether two classifiers are equally accurate, from their results on the same faces.

    Q. McNemar, "Note on the sampling error of the difference between correlated proportions or percentages",
    Psychometrika 12 (1947), with the binomial distribution instead of its approximation; the mid-p-value after
    Fagerland, Lydersen and Laake, BMC Medical Research Methodology 13 (2013).

    Args:
        first_right: bool (N,), faces that the first classifier gets right.
        second_right: bool (N,), faces that the second one gets right.

    Raises:
        InputSpecError: The arrays differ in shape.
    """
    if first_right.shape != second_right.shape:
        raise InputSpecError("results are not paired", expected=first_right.shape, found=second_right.shape)
    only_first = int(np.sum(first_right & ~second_right))
    only_second = int(np.sum(second_right & ~first_right))
    differing = only_first + only_second
    if differing == 0:
        return PairedTest(0, 0, 1.0, 1.0)
    # Exact integers: binomial coefficients of some thousand faces are far outside the range of floats.
    coefficient, tail = 1, 1
    for drawn in range(1, min(only_first, only_second) + 1):
        coefficient = coefficient * (differing - drawn + 1) // drawn
        tail += coefficient
    p_exact = min(1.0, 2 * tail / 2**differing)
    p_mid = (2 * tail - coefficient) / 2**differing
    return PairedTest(only_first, only_second, p_exact, min(1.0, p_mid))


def paired_difference(
    first_right: npt.NDArray[np.bool_], second_right: npt.NDArray[np.bool_], *, confidence: float = 0.95
) -> Interval:
    """Return how much more accurate the first of two classifiers is on the same faces, with its interval.

    Bonett and Price, "Adjusted Wald confidence interval for a difference of binomial proportions based on paired data",
    Journal of Educational and Behavioral Statistics 37 (2012), equation 7: Wald's interval after one face was added to
    each way of differing. Unlike Wald's, it is not empty where the two never differ.

    Args:
        first_right: bool (N,), faces that the first classifier gets right, N at least 1.
        second_right: bool (N,), faces that the second one gets right.
        confidence: Coverage of the interval, above 0 and below 1.

    Raises:
        InputSpecError: The arrays are empty or differ in shape.
    """
    if first_right.shape != second_right.shape or len(first_right) == 0:
        raise InputSpecError("results are not paired", expected=first_right.shape, found=second_right.shape)
    count = len(first_right)
    only_first = int(np.sum(first_right & ~second_right))
    only_second = int(np.sum(second_right & ~first_right))
    value = (only_first - only_second) / count
    first, second = (only_first + 1) / (count + 2), (only_second + 1) / (count + 2)
    center = first - second
    half = NormalDist().inv_cdf(0.5 + confidence / 2) * math.sqrt((first + second - center**2) / (count + 2))
    return Interval(value, max(-1.0, min(center - half, value)), min(1.0, max(center + half, value)))


def _check_pair(labels: IntArray, predictions: IntArray) -> None:
    if labels.ndim != 1 or labels.shape != predictions.shape or len(labels) == 0:
        raise InputSpecError(
            "labels and predictions do not fit",
            expected="one of each a face, at least one face",
            found=f"{labels.shape} and {predictions.shape}",
        )


def _check_scores(scores: FloatArray, labels: IntArray) -> None:
    if scores.ndim != 2 or labels.shape != (len(scores),) or len(labels) == 0:
        raise InputSpecError(
            "scores and labels do not fit",
            expected="(N, K) and (N,), N at least 1",
            found=f"{scores.shape} and {labels.shape}",
        )
    if not np.isfinite(scores).all():
        raise InputSpecError("scores are not finite", expected="numbers", found="NaN or infinity")
    if labels.min() < 0 or labels.max() >= scores.shape[1]:
        raise InputSpecError(
            "class index out of range",
            expected=f"0 to {scores.shape[1] - 1}",
            found=f"{labels.min()} to {labels.max()}",
        )
