"""Answering only when sure: how the error falls with the share of faces that get an answer.

El-Yaniv and Wiener, "On the foundations of noise-free selective classification", JMLR 11 (2010), sections 2 and 3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .errors import InputSpecError

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class RiskCoverage:
    """Error of the answered faces for every threshold of confidence.

    Attributes:
        threshold: float64 (M,), confidences in descending order: a face is answered at this one or above.
        coverage: float64 (M,), share of the faces that are answered, ascending to 1.
        risk: float64 (M,), share of wrong answers among them.
    """

    threshold: FloatArray
    coverage: FloatArray
    risk: FloatArray

    @property
    def area(self) -> float:
        """Mean risk over coverages, 0 to 1: the lower, the better confidence tells right from wrong (AURC)."""
        widths = np.diff(self.coverage, prepend=0.0)
        return float((widths * self.risk).sum())

    def threshold_for(self, risk: float) -> tuple[float, float]:
        """Return the lowest threshold that keeps the risk, and the coverage that it leaves.

        Args:
            risk: Largest share of wrong answers, 0 to 1.

        Returns:
            Threshold and coverage; infinity and 0 where no threshold keeps it.
        """
        keeping = np.flatnonzero(self.risk <= risk)
        if len(keeping) == 0:
            return float("inf"), 0.0
        return float(self.threshold[keeping[-1]]), float(self.coverage[keeping[-1]])


def risk_coverage(confidence: npt.NDArray[np.float32], correct: npt.NDArray[np.bool_]) -> RiskCoverage:
    """Return the curve of a classifier that abstains below a confidence.

    Faces of equal confidence are answered together or not at all, so that the curve does not depend on their order.

    Args:
        confidence: float32 (N,), N at least 1.
        correct: bool (N,), whether the answer is right.

    Raises:
        InputSpecError: The arrays are empty, differ in shape, or a confidence is NaN.
    """
    if confidence.ndim != 1 or confidence.shape != correct.shape or len(confidence) == 0:
        raise InputSpecError(
            "confidences and answers do not fit",
            expected="one of each a face, at least one face",
            found=f"{confidence.shape} and {correct.shape}",
        )
    if np.isnan(confidence).any():
        raise InputSpecError("confidences are unusable", expected="numbers", found="NaN")
    order = np.argsort(-confidence, kind="stable")
    sorted_confidence = confidence[order].astype(np.float64)
    answered = np.arange(1, len(order) + 1)
    wrong = np.cumsum(~correct[order])
    last_of_its_value = np.append(sorted_confidence[1:] != sorted_confidence[:-1], True)
    return RiskCoverage(
        threshold=sorted_confidence[last_of_its_value],
        coverage=(answered / len(order))[last_of_its_value],
        risk=(wrong / answered)[last_of_its_value],
    )
