"""Accuracy of the very graphs whose speed is measured, by face size."""

from __future__ import annotations

from collections.abc import Sequence

from ...core.bundle import BundleManifest
from ...datasets import FaceDataset, evaluate_by_size, with_labels
from ..classifier import ExpressionClassifier
from ..runner import Runner
from .accuracy import AccuracyAtSize

_BATCH = 64


def measure_accuracy(
    runner: Runner, manifest: BundleManifest, faces: FaceDataset, sizes: Sequence[int]
) -> tuple[AccuracyAtSize, ...]:
    """Evaluate a graph on labelled faces.

    Args:
        runner: Runs it.
        manifest: Description of its bundle.
        faces: Labelled faces.
        sizes: Native sizes in pixels, all different.

    Raises:
        DatasetError: Faces have an expression that the model does not know.
    """
    classifier = ExpressionClassifier(runner, manifest, max_batch=_BATCH)
    known = with_labels(faces, manifest.labels)
    report = evaluate_by_size(classifier.logits, known, manifest.preprocess, sizes, batch_size=_BATCH)
    return tuple(
        AccuracyAtSize(
            face_size_px=float(size.face_size_px),
            faces=size.count,
            accuracy=size.accuracy.value,
            low=size.accuracy.low,
            high=size.accuracy.high,
            macro_f1=size.macro_f1,
        )
        for size in report.sizes
    )
