"""How accurate a classifier is, by native face size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from ..core.bundle import TemperatureBand
from ..core.errors import InputSpecError
from ..core.metrics import (
    Interval,
    accuracy,
    confusion_matrix,
    expected_calibration_error,
    macro_f1,
    mean_class_accuracy,
    negative_log_likelihood,
)
from ..core.predictions import softmax
from ..core.preprocess import PreprocessSpec
from ..core.schema import to_mapping
from ..core.temperature import temperatures_for
from .sample import FaceDataset
from .tracks import Track, sized_batches

Uint8Array = npt.NDArray[np.uint8]
Float32Array = npt.NDArray[np.float32]
Classify = Callable[[Uint8Array, Float32Array], Float32Array]
"""From faces, uint8 (N, C, H, W), and native sizes, float32 (N,), to uncalibrated logits, float32 (N, K)."""


@dataclass(frozen=True)
class SizeReport:
    """Results at one face size.

    Attributes:
        face_size_px: Native side of the faces in pixels.
        count: Number of faces N.
        smaller_count: How many of them are smaller in the data set; they were not enlarged and count as they are.
        accuracy: Fraction of right predictions, 95 % interval.
        mean_class_accuracy: Recall averaged over the expressions that occur, 95 % interval.
        macro_f1: F1 averaged over expressions, 0 to 1.
        ece: Expected calibration error with 15 bins, 0 to 1.
        nll: Mean negative log likelihood in nats.
        confusion: int64 (K, K); row: true expression, column: predicted.
        logits: float32 (N, K), before any temperature, in the order of the data set.
        predictions: int64 (N,), most probable expressions.
        correct: bool (N,), for paired tests between models.
        native_px: float32 (N,), size of each face as the classifier was told.
    """

    HEADER: ClassVar[tuple[str, ...]] = ("face size", "faces", "accuracy", "mean class accuracy", "F1", "ECE", "NLL")

    face_size_px: int
    count: int
    smaller_count: int
    accuracy: Interval
    mean_class_accuracy: Interval
    macro_f1: float
    ece: float
    nll: float
    confusion: npt.NDArray[np.int64] = field(repr=False, compare=False)
    logits: Float32Array = field(repr=False, compare=False)
    predictions: npt.NDArray[np.int64] = field(repr=False, compare=False)
    correct: npt.NDArray[np.bool_] = field(repr=False, compare=False)
    native_px: Float32Array = field(repr=False, compare=False)

    @classmethod
    def of(
        cls,
        face_size_px: int,
        logits: Float32Array,
        native_px: Float32Array,
        labels: npt.NDArray[np.int64],
        *,
        smaller_count: int = 0,
        temperatures: Sequence[TemperatureBand] = (),
    ) -> SizeReport:
        """Return the report on logits.

        Args:
            face_size_px: Native side of the faces in pixels.
            logits: float32 (N, K), before any temperature.
            native_px: float32 (N,), size of each face as the classifier was told.
            labels: int64 (N,), the true expressions.
            smaller_count: How many faces are smaller than that in the data set.
            temperatures: Confidence calibration, ascending in size.
        """
        calibrated = logits / temperatures_for(native_px, temperatures)[:, None]
        predictions = logits.argmax(axis=1).astype(np.int64)
        return cls(
            face_size_px=face_size_px,
            count=len(labels),
            smaller_count=smaller_count,
            accuracy=accuracy(labels, predictions),
            mean_class_accuracy=mean_class_accuracy(labels, predictions),
            macro_f1=macro_f1(labels, predictions),
            ece=expected_calibration_error(softmax(calibrated), labels),
            nll=negative_log_likelihood(calibrated, labels),
            confusion=confusion_matrix(labels, predictions, logits.shape[1]),
            logits=logits,
            predictions=predictions,
            correct=predictions == labels,
            native_px=native_px,
        )

    def calibrated(self, bands: Sequence[TemperatureBand], labels: npt.NDArray[np.int64]) -> SizeReport:
        """Return the report under other temperatures; only its calibration error and likelihood change.

        Args:
            bands: Confidence calibration, ascending in size.
            labels: int64 (N,), the true expressions.
        """
        scaled = self.logits / temperatures_for(self.native_px, bands)[:, None]
        return replace(
            self,
            ece=expected_calibration_error(softmax(scaled), labels),
            nll=negative_log_likelihood(scaled, labels),
        )

    def cells(self) -> tuple[str, ...]:
        """Return the row of a table under :attr:`HEADER`."""
        smaller = f" ({self.smaller_count} smaller)" if self.smaller_count else ""
        return (
            f"{self.face_size_px} px",
            f"{self.count}{smaller}",
            str(self.accuracy),
            str(self.mean_class_accuracy),
            f"{self.macro_f1:.3f}",
            f"{self.ece:.3f}",
            f"{self.nll:.3f}",
        )

    def to_json(self) -> dict[str, Any]:
        """Return everything but the arrays with an entry a face, as plain values."""
        return {
            "face_size_px": self.face_size_px,
            "count": self.count,
            "smaller_count": self.smaller_count,
            "accuracy": to_mapping(self.accuracy),
            "mean_class_accuracy": to_mapping(self.mean_class_accuracy),
            "macro_f1": self.macro_f1,
            "ece": self.ece,
            "nll": self.nll,
            "confusion": self.confusion.tolist(),
        }


@dataclass(frozen=True)
class EvaluationReport:
    """Results of one classifier on one data set.

    Attributes:
        dataset_id: Identity of the data set.
        labels: Expression names that the classes of the sizes' arrays index.
        sizes: One report a face size, in the order that was asked for.
        track: How the small faces were made.
    """

    dataset_id: str
    labels: tuple[str, ...]
    sizes: tuple[SizeReport, ...]
    track: Track = Track.CLEAN

    def at(self, face_size_px: int) -> SizeReport:
        """Return the report of one face size.

        Raises:
            InputSpecError: The size was not evaluated.
        """
        for report in self.sizes:
            if report.face_size_px == face_size_px:
                return report
        raise InputSpecError(
            f"faces of {face_size_px} px were not evaluated",
            expected=f"one of {', '.join(str(report.face_size_px) for report in self.sizes)}",
        )

    def calibrated(self, bands: Sequence[TemperatureBand], labels: npt.NDArray[np.int64]) -> EvaluationReport:
        """Return the report under other temperatures (see :meth:`SizeReport.calibrated`)."""
        return replace(self, sizes=tuple(row.calibrated(bands, labels) for row in self.sizes))

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain values, without the arrays that have an entry a face."""
        return {
            "dataset_id": self.dataset_id,
            "labels": list(self.labels),
            "track": self.track.protocol,
            "sizes": [report.to_json() for report in self.sizes],
        }


def evaluate_by_size(
    classify: Classify,
    dataset: FaceDataset,
    spec: PreprocessSpec,
    sizes: Sequence[int],
    *,
    batch_size: int = 64,
    temperatures: Sequence[TemperatureBand] = (),
    track: Track = Track.CLEAN,
    on_progress: Callable[[int, int], None] | None = None,
) -> EvaluationReport:
    """Classify every face of a data set at several native sizes.

    See :func:`fsrfer.datasets.sized_batches` for how.

    Args:
        classify: The classifier, from preprocessed faces and native sizes to logits.
        dataset: Faces with the labels of the classifier (see :func:`fsrfer.datasets.with_labels`).
        spec: Preprocessing of the classifier.
        sizes: Native face sizes in pixels, all different.
        batch_size: Most faces in one call of ``classify``.
        temperatures: Confidence calibration, ascending in size; the logits of the report are without it.
        track: How small faces are made.
        on_progress: Called with the faces done and their total; a face is done when it was seen at all sizes.

    Raises:
        InputSpecError: Sizes or batch size are impossible, or the classifier's logits are not finite or not of shape
            (N, number of labels).
        DatasetError: A file of the data set changed after it was opened.
    """
    _check_request(sizes, batch_size)
    tallies = {size: _Tally(size) for size in sizes}
    for batch in sized_batches(dataset, spec, sizes, track, batch_size):
        logits = classify(batch.faces, batch.native_px)
        _check_logits(logits, len(batch.faces), len(dataset.labels))
        tallies[batch.face_size_px].add(logits, batch.native_px, batch.smaller)
        if on_progress is not None and batch.face_size_px == sizes[-1]:
            on_progress(batch.done, len(dataset))
    reports = tuple(tally.report(dataset.label_indices, temperatures) for tally in tallies.values())
    return EvaluationReport(dataset.dataset_id, dataset.labels, reports, track)


class _Tally:
    """Gathers what was predicted at one size."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._logits: list[Float32Array] = []
        self._native: list[Float32Array] = []
        self._smaller = 0

    def add(self, logits: Float32Array, native: Float32Array, smaller: int) -> None:
        # A runner may reuse its output buffer for the next batch.
        self._logits.append(logits.copy())
        self._native.append(native)
        self._smaller += smaller

    def report(self, labels: npt.NDArray[np.int64], temperatures: Sequence[TemperatureBand]) -> SizeReport:
        logits, native = np.concatenate(self._logits), np.concatenate(self._native)
        return SizeReport.of(self.size, logits, native, labels, smaller_count=self._smaller, temperatures=temperatures)


def _check_request(sizes: Sequence[int], batch_size: int) -> None:
    if not sizes or min(sizes) < 1 or len(set(sizes)) != len(sizes) or batch_size < 1:
        raise InputSpecError(
            "impossible evaluation",
            expected="one or more different sizes of at least 1 px, batches of at least 1 face",
            found=f"sizes {tuple(sizes)}, batches of {batch_size}",
        )


def _check_logits(logits: Float32Array, faces: int, classes: int) -> None:
    if logits.shape != (faces, classes) or not np.isfinite(logits).all():
        raise InputSpecError(
            "the classifier's logits are unusable",
            expected=f"finite numbers of shape {(faces, classes)}",
            found=f"{'NaN or infinity' if logits.shape == (faces, classes) else 'numbers'} of shape {logits.shape}",
        )
