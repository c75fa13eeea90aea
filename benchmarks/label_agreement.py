"""How far people agree on an expression, and how right the model is where they do and do not.

An accuracy counts agreement with the majority of about ten annotators. This measures how often one annotator agrees
with it, and how often the majority of another ten would: their votes are drawn, with replacement, from the votes of the
first ten, which makes them more alike than those of other people would be.

    python benchmarks/label_agreement.py --data ferplus:PATH --output FILE
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from record import record

from fsrfer.core import Precision
from fsrfer.datasets import FaceDataset, evaluate_by_size, open_dataset, with_labels
from fsrfer.runtime import default_bundle_path
from fsrfer.runtime.opening import open_bundle

BANDS = ((0.0, 0.5), (0.5, 0.7), (0.7, 0.9), (0.9, 1.0))
"""Largest share of the votes that one expression has: above the first and up to the second number."""

_ROUNDING = 1e-6  # shares are kept in float32: seven of ten are 0.69999999 or 0.70000005

Votes = npt.NDArray[np.float64]


def votes_of(dataset: FaceDataset) -> Votes:
    """Return the annotators' distribution, float64 (N, K), rows adding up to 1.

    Raises:
        SystemExit: The data set has labels only.
    """
    if dataset.soft_labels is None:
        raise SystemExit(f"{dataset.dataset_id} has labels and no votes; FER+ has both: --data ferplus:PATH")
    votes = dataset.soft_labels.astype(np.float64)
    return np.asarray(votes / votes.sum(axis=1, keepdims=True))


def one_annotator(votes: Votes, labels: npt.NDArray[np.int64]) -> float:
    """Return how often a vote is the label, 0 to 1."""
    return float(votes[np.arange(len(labels)), labels].mean())


def another_panel(votes: Votes, labels: npt.NDArray[np.int64], *, people: int, draws: int, seed: int) -> float:
    """Return how often the majority of another panel would be the label, 0 to 1; equal votes are settled by lot.

    Args:
        votes: Distribution that each member votes by, float64 (N, K).
        labels: int64 (N,).
        people: Members of the panel.
        draws: Panels that are drawn for each face.
        seed: Of the drawing.
    """
    rng = np.random.default_rng(seed)
    agreed = [
        np.mean((rng.multinomial(people, votes) + 0.5 * rng.random(votes.shape)).argmax(axis=1) == labels)
        for _ in range(draws)
    ]
    return float(np.mean(agreed))


def by_agreement(votes: Votes, correct: npt.NDArray[np.bool_]) -> list[dict[str, float]]:
    """Return the accuracy of a model on faces that people agree on to different degrees.

    Args:
        votes: float64 (N, K).
        correct: bool (N,), whether the model's answer is the label.
    """
    largest = votes.max(axis=1)
    rows = []
    for low, high in BANDS:
        within = (largest > low + _ROUNDING) & (largest <= high + _ROUNDING)
        if within.any():
            rows.append(
                {
                    "above": low,
                    "up_to": high,
                    "faces": int(within.sum()),
                    "accuracy": float(correct[within].mean()),
                    "share_of_errors": float((within & ~correct).sum() / max(1, (~correct).sum())),
                }
            )
    return rows


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Return what is recorded."""
    people, parts = {}, {split: open_dataset(options.data, split) for split in ("train", "valid", "test")}
    for split, dataset in parts.items():
        votes, labels = votes_of(dataset), dataset.label_indices
        panel = another_panel(votes, labels, people=10, draws=options.draws, seed=options.seed)
        people[split] = {
            "dataset_id": dataset.dataset_id,
            "one_annotator": one_annotator(votes, labels),
            "another_panel_of_ten": panel,
        }
    with open_bundle(options.bundle, precision=Precision.FP32) as classifier:
        manifest = classifier.manifest
        test = with_labels(parts["test"], manifest.labels)
        report = evaluate_by_size(classifier.logits, test, manifest.preprocess, options.sizes)
    model = {str(row.face_size_px): by_agreement(votes_of(test), row.correct) for row in report.sizes}
    return {"people": people, "model": manifest.name, "model_by_agreement": model}


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="data set with votes, such as ferplus:PATH")
    parser.add_argument("--bundle", type=Path, default=default_bundle_path(), help="the shipped one by default")
    parser.add_argument("--sizes", type=int, nargs="+", default=[48, 24, 16, 12, 8], help="face sizes in pixels")
    parser.add_argument("--draws", type=int, default=50, help="panels drawn for each face")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    record(measure(options), options.output)


if __name__ == "__main__":
    main()
