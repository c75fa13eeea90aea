"""Weights of readings that are combined, and what a crop's quality foretells; with the shipped model on real faces."""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import numpy as np

from fsrfer.core.predictions import softmax
from fsrfer.datasets import open_dataset
from fsrfer.datasets.realistic import realistic_face
from fsrfer.runtime import default_bundle_path, open_bundle
from fsrfer.runtime.detection import FaceDetections
from fsrfer.runtime.tracking import (
    SmoothingConfig,
    crop_quality,
)
from fsrfer.runtime.tracking.quality import sharpness, size_quality


def measure_evidence(options: argparse.Namespace) -> dict[str, Any]:
    """Read faces at many sizes and blurs with the shipped model."""
    if options.faces is None:
        raise SystemExit("the section evidence needs --faces")
    faces = list(validation_faces(options.faces, options.face_count))
    return {"weights": fusion_by_weight(faces), "quality": foretelling(faces)}


def validation_faces(spec: str, count: int) -> Iterator[tuple[np.ndarray, str]]:
    """Give evenly spread faces of the validation split and their labels."""
    dataset = open_dataset(spec, "valid")
    for index in np.linspace(0, len(dataset) - 1, count).astype(int).tolist():
        sample = dataset[index]
        yield sample.image, dataset.labels[sample.label]


def fusion_by_weight(faces: Sequence[tuple[np.ndarray, str]]) -> dict[str, Any]:
    """Combine readings of one face at several sizes with several weights."""
    sizes = np.array([8, 8, 10, 10, 12, 14, 16, 20, 24, 32, 40, 44])
    with open_bundle(default_bundle_path(), threads=1) as classifier:
        truth = np.array([classifier.labels.index(label) for _, label in faces])
        readings = np.stack(
            [
                classifier.classify(
                    [realistic_face(face, int(size), 100 + k, str(index)) for k, size in enumerate(sizes)]
                ).probabilities
                for index, (face, _) in enumerate(faces)
            ]
        ).astype(np.float64)
    certainty = 1.0 + (readings * np.log(np.maximum(readings, 1e-12))).sum(axis=2) / np.log(readings.shape[2])
    by_size = {half: np.broadcast_to(sizes**2 / (sizes**2 + half**2), certainty.shape) for half in (16.0, 32.0)}
    weights = {
        "uniform": np.ones_like(certainty),
        "certainty": certainty,
        "size, half at 16 px": by_size[16.0],
        "size, half at 32 px": by_size[32.0],
        "size, half at 32 px, times certainty (ours)": by_size[32.0] * certainty,
    }
    subsets = {
        "8 to 44 px": slice(None),
        "8 to 12 px": slice(0, 5),
        "four of 8 to 10 px, one of 32 px": [0, 1, 2, 3, 9],
    }
    single = {
        name: float((readings[:, part].argmax(axis=2) == truth[:, None]).mean()) for name, part in subsets.items()
    }
    table = {"single reading": {name: {"accuracy": round(value, 4)} for name, value in single.items()}}
    for name, weight in weights.items():
        table[name] = {key: fused(readings[:, part], weight[:, part], truth) for key, part in subsets.items()}
    print(f"{'accuracy, NLL of combined readings':<46}" + "".join(f"{name:>34}" for name in subsets))
    for name, row in table.items():
        cells = (f"{cell['accuracy']:>25.3f}{cell.get('nll', ''):>9}" for cell in row.values())
        print(f"{name:<46}{''.join(cells)}", flush=True)
    return table


def fused(readings: np.ndarray, weights: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Return accuracy and negative log-likelihood of weighted log-probabilities."""
    logs = np.log(np.maximum(readings, SmoothingConfig().min_probability))
    mean = (np.maximum(weights, 1e-3)[..., None] * logs).sum(axis=1) / np.maximum(weights, 1e-3).sum(axis=1)[:, None]
    probabilities = softmax(mean.astype(np.float32))
    nll = -np.log(probabilities[np.arange(len(truth)), truth]).mean()
    return {"accuracy": round(float((mean.argmax(axis=1) == truth).mean()), 4), "nll": round(float(nll), 4)}


def foretelling(faces: Sequence[tuple[np.ndarray, str]]) -> dict[str, Any]:
    """Return the area under the ROC curve with which measures of a crop tell right readings from wrong ones."""
    conditions = [(size, blur) for size in (10, 14, 20, 28, 40) for blur in (0.0, 0.03, 0.06, 0.1, 0.15)]
    values: dict[str, list[np.ndarray]] = defaultdict(list)
    right = []
    with open_bundle(default_bundle_path(), threads=1) as classifier:
        for index, (face, label) in enumerate(faces):
            crops = [
                realistic_face(blurred(face, blur), size, 200 + k, str(index))
                for k, (size, blur) in enumerate(conditions)
            ]
            right.append(classifier.classify(crops).label_index == classifier.labels.index(label))
            sides = np.array([size for size, _ in conditions], np.float32)
            boxes = np.stack([np.zeros_like(sides), np.zeros_like(sides), sides, sides], axis=1)
            values["size alone"].append(size_quality(sides))
            values["sharpness alone"].append(sharpness(crops))
            values["size and sharpness (ours)"].append(
                crop_quality(crops, FaceDetections(boxes, np.ones(len(crops), np.float32)))
            )
    is_sharp = np.array([blur == 0.0 for _, blur in conditions])
    table = {}
    print(f"\n{'area under the ROC curve':<30}{'blurred by 0 to 15 %':>24}{'not blurred':>14}")
    for name, rows in values.items():
        everything, sharp = (
            area_under_roc(np.array(rows)[:, part].ravel(), np.array(right)[:, part].ravel())
            for part in (slice(None), is_sharp)
        )
        table[name] = {"blurred by 0 to 15 %": round(everything, 3), "not blurred": round(sharp, 3)}
        print(f"{name:<30}{everything:>24.3f}{sharp:>14.3f}", flush=True)
    return table


def blurred(face: np.ndarray, blur: float) -> np.ndarray:
    """Blur a face by a standard deviation in sides."""
    return np.asarray(cv2.GaussianBlur(face, (0, 0), blur * min(face.shape[:2]))) if blur else face


def area_under_roc(values: np.ndarray, positive: np.ndarray) -> float:
    """Return the probability that a positive has a greater value than a negative, ties counted half."""
    ordered = np.sort(values[~positive])
    below = np.searchsorted(ordered, values[positive], "left")
    not_above = np.searchsorted(ordered, values[positive], "right")
    return float((below + not_above).mean() / 2.0 / max(1, len(ordered)))
