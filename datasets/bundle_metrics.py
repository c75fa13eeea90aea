"""What a bundle records of its evaluation, and what of it a new calibration leaves true."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.bundle import TemperatureBand
from ..core.schema import to_mapping
from .confidence import abstention_rows
from .evaluation import EvaluationReport
from .tracks import Track

SMALLER_SIZES: tuple[int, ...] = (7, 6, 5, 4)
"""Native face sizes in pixels at which a model is tried to find where its labels stop to mean anything."""

_SUFFIX = {Track.CLEAN: "", Track.REALISTIC: "_realistic"}
_OF_CONFIDENCE = ("ece", "nll")


def bundle_metrics(
    valid: Mapping[Track, EvaluationReport],
    test: Mapping[Track, EvaluationReport],
    bands: Sequence[TemperatureBand],
    valid_labels: npt.NDArray[np.int64],
    test_labels: npt.NDArray[np.int64],
) -> dict[str, Any]:
    """Return evaluations as metrics of a bundle: ``valid``, ``test``, ``abstention``, and the same ``_realistic``.

    Sizes of the test report below all of the validation report go into ``test_smaller``.

    Args:
        valid: Evaluation on the validation split by track; its temperatures do not matter.
        test: On the test split, for the same tracks, at the same sizes and, where wanted, at smaller ones.
        bands: Confidence calibration that holds.
        valid_labels: int64 (N,), true expressions of the validation split.
        test_labels: int64 (M,), those of the test split.
    """
    metrics: dict[str, Any] = {}
    for track, chosen_on in valid.items():
        tried_on, suffix = test[track].calibrated(bands, test_labels), _SUFFIX[track]
        metrics[f"valid{suffix}"] = chosen_on.calibrated(bands, valid_labels).to_json()
        whole = tried_on.to_json()
        sizes = {row.face_size_px for row in chosen_on.sizes}
        rows = whole["sizes"]
        metrics[f"test{suffix}"] = {**whole, "sizes": [row for row in rows if row["face_size_px"] in sizes]}
        if smaller := [row for row in rows if row["face_size_px"] not in sizes]:
            metrics[f"test{suffix}_smaller"] = {**whole, "sizes": smaller}
        metrics[f"abstention{suffix}"] = [to_mapping(row) for row in abstention_rows(chosen_on, tried_on, bands)]
    return metrics


def without_confidence(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return metrics without what held under former temperatures: calibration error, likelihood, thresholds."""
    kept = {key: value for key, value in metrics.items() if not key.startswith("abstention")}
    return {key: _without_confidence(value) if _is_report(value) else value for key, value in kept.items()}


def _is_report(value: Any) -> bool:
    return isinstance(value, Mapping) and "sizes" in value


def _without_confidence(report: Mapping[str, Any]) -> dict[str, Any]:
    rows = [{key: value for key, value in row.items() if key not in _OF_CONFIDENCE} for row in report["sizes"]]
    return {**report, "sizes": rows}
