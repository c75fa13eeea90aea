"""What a bundle knows about its accuracy, to stand beside its speed: a fast graph is not free of charge."""

from __future__ import annotations

from dataclasses import dataclass

from ...core.bundle import BundleManifest


@dataclass(frozen=True)
class AccuracyAtSize:
    """Accuracy of the FP32 model on faces of one size.

    Attributes:
        face_size_px: Native size of the faces.
        faces: How many there were.
        accuracy: Part of them that was decided rightly.
        low: Lower end of its 95 % interval.
        high: Upper end.
        macro_f1: F1 score, averaged over the expressions.
    """

    face_size_px: float
    faces: int
    accuracy: float
    low: float
    high: float
    macro_f1: float


def accuracy_of(manifest: BundleManifest) -> tuple[AccuracyAtSize, ...]:
    """Return the accuracies that ``fsrfer-train`` measured on the test split, from large faces to small ones.

    Args:
        manifest: Description of the bundle.
    """
    rows = manifest.metrics.get("test", {}).get("sizes", [])
    found = [
        AccuracyAtSize(
            face_size_px=float(row["face_size_px"]),
            faces=int(row["count"]),
            accuracy=float(row["accuracy"]["value"]),
            low=float(row["accuracy"]["low"]),
            high=float(row["accuracy"]["high"]),
            macro_f1=float(row["macro_f1"]),
        )
        for row in rows
    ]
    return tuple(sorted(found, key=lambda row: -row.face_size_px))
