"""The model card: what a model is, how well it reads faces of each size, and what it must not be used for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from ..core.bundle import BundleManifest
from ..datasets.confidence import AbstentionRow
from ..datasets.evaluation import EvaluationReport, SizeReport
from ..datasets.tracks import Track

_TEMPLATE = """# {name}

Reads one of {count} expressions from the crop of a face, also of a small one: {labels}.

## Accuracy by face size

Test split of `{test_id}`. A face of size s was shrunk to s x s pixels by anti-aliased bicubic interpolation; one that
is smaller in the data set was taken as it is. Intervals are 95 %.

{clean}

The same faces as a camera would deliver them (track `{protocol}`: misaligned, blurred, any resampling kernel, noise,
JPEG):

{realistic}

{smallest}

## Confidence

Logits are divided by a temperature of the face's size, fitted on `{valid_id}` as it is and on track `{protocol}`
together, before the softmax. The tables above give the expected calibration error (ECE, 15 bins) under these
temperatures: {temperatures}.

To be wrong in at most one of so many answers, abstain below a threshold. Thresholds were chosen on validation faces,
shares are of test faces:

{abstention}

## What it confuses

Rows are true expressions, columns predicted ones; clean test faces.

{confusions}

## Known failures

{failures}

Faces that are turned away, covered by hands, masks or hair, lit from one side, or of children and old people are rare
in most public sets: expect less there, and measure on your own faces. Crops must be upright; a face that leans by more
than about 15 degrees should be turned first.

## Input

A square crop around a face, {channels} channel(s), brought to {width}x{height} pixels by `fsrfer.core.preprocess`.
Boxes of a detector are widened by {margin:.0%} of their longer side on each side.

## Training

Recipe `{recipe}`, seed {seed}, on `{train_id}`; epochs were chosen on `{valid_id}`. The whole recipe and the
versions of all packages are in `bundle.json`.

The licence of the training data binds the use of the weights as well: most public sets of faces, FER2013 and RAF-DB
among them, allow research only. Ask the owner of the data before any other use.

## What it is not for

An expression is what a face shows, not what a person feels; the two are often different. The model knows only the
expressions above and always names one of them; below a size that depends on the use, its answer means little: read
the table, and use the option to abstain.

It must not be used to judge single people, their character, health, honesty or fitness for anything. In the European
Union, systems that infer emotions at work or in education are prohibited but for medical or safety reasons (Regulation
(EU) 2024/1689, Article 5(1)(f)); elsewhere such systems are high-risk (Annex III) and people have to be told (Article
50(3)). This is no legal advice.
"""

_COLUMNS = ("face size", "faces", "accuracy", "mean class accuracy", "ECE")


def model_card(
    manifest: BundleManifest, tracks: Mapping[Track, EvaluationReport], abstention: Sequence[AbstentionRow]
) -> str:
    """Return the model card, as Markdown.

    Args:
        manifest: Description of the model; its provenance names train, valid and test split in this order.
        tracks: The final evaluation on the test split, clean and realistic.
        abstention: Thresholds of confidence.
    """
    train_id, valid_id, test_id = manifest.provenance.dataset_ids
    clean, realistic = tracks[Track.CLEAN], tracks[Track.REALISTIC]
    return _TEMPLATE.format(
        name=manifest.name,
        count=len(manifest.labels),
        labels=", ".join(manifest.labels),
        clean=_accuracies(clean),
        realistic=_accuracies(realistic),
        protocol=Track.REALISTIC.protocol,
        smallest=_smallest(clean),
        temperatures=_temperatures(manifest),
        abstention=_abstention(abstention),
        confusions="\n\n".join(_confusion(row, clean.labels) for row in clean.sizes),
        failures=_failures(clean),
        channels=manifest.preprocess.channels,
        width=manifest.preprocess.width,
        height=manifest.preprocess.height,
        margin=manifest.preprocess.crop_margin,
        recipe=manifest.recipe["name"],
        seed=manifest.provenance.seed,
        train_id=train_id,
        valid_id=valid_id,
        test_id=test_id,
    )


def smallest_readable_px(report: EvaluationReport) -> int | None:
    """Return the smallest size down to which a label means something, or None where it does at no size.

    A label means something where always naming the most frequent expression is clearly worse (by ten points, at the
    lower end of the accuracy's interval) and the mean class accuracy is, at its lower end, twice that of guessing.

    Args:
        report: Evaluation on a test split.
    """
    readable: int | None = None
    for row in sorted(report.sizes, key=lambda row: -row.face_size_px):
        counts = row.confusion.sum(axis=1)
        frequent = counts.max() / counts.sum()
        chance = 1.0 / np.count_nonzero(counts)
        if row.accuracy.low < frequent + 0.1 or row.mean_class_accuracy.low < 2 * chance:
            break
        readable = row.face_size_px
    return readable


def _smallest(report: EvaluationReport) -> str:
    size = smallest_readable_px(report)
    measured = min(row.face_size_px for row in report.sizes)
    criterion = (
        "clearly better (ten points, at the lower end of the interval) than always naming the most frequent "
        "expression, and at least twice as good as guessing in mean class accuracy"
    )
    if size is None:
        return f"**At no size does a label mean anything** (it would have to be {criterion})."
    below = "smaller ones were not measured" if size == measured else "below, it does not"
    return f"**Down to {size} px a label means something**, that is, it is {criterion}; {below}."


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def _accuracies(report: EvaluationReport) -> str:
    return _table(_COLUMNS, [(*row.cells()[:4], f"{row.ece:.1%}") for row in report.sizes])


def _temperatures(manifest: BundleManifest) -> str:
    if not manifest.temperatures:
        return "none"
    return ", ".join(f"{band.temperature:g} from {band.min_face_px:g} px" for band in manifest.temperatures)


def _abstention(rows: Sequence[AbstentionRow]) -> str:
    cells = [
        (
            f"{row.face_size_px} px",
            f"1 in {round(1 / row.target_risk)}",
            f"{row.threshold:.2f}" if row.threshold <= 1 else "none",
            f"{row.coverage:.1%}",
            f"{row.risk:.1%}" if row.coverage else "",
        )
        for row in rows
    ]
    return _table(("face size", "wrong answers", "threshold", "answered", "wrong among them"), cells)


def _confusion(row: SizeReport, labels: Sequence[str]) -> str:
    cells = [
        (label, *(str(count) for count in counts), f"{recall:.0%}" if total else "no face")
        for label, counts, recall, total in zip(
            labels, row.confusion, _recalls(row.confusion), row.confusion.sum(axis=1), strict=True
        )
    ]
    return f"{row.face_size_px} px:\n\n" + _table(("", *labels, "recall"), cells)


def _recalls(confusion: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    return np.asarray(np.diag(confusion) / np.maximum(confusion.sum(axis=1), 1), np.float64)


def _failures(report: EvaluationReport) -> str:
    """Name the weakest expression and the commonest mistake at the largest and the smallest size."""
    rows = sorted(report.sizes, key=lambda row: -row.face_size_px)
    lines = []
    for row in (rows[0], rows[-1])[: len(rows)]:
        counts = row.confusion.sum(axis=1)
        recalls = np.where(counts > 0, _recalls(row.confusion), np.inf)
        weakest = int(recalls.argmin())
        mistakes = row.confusion - np.diag(np.diag(row.confusion))
        true, named = np.unravel_index(int(mistakes.argmax()), mistakes.shape)
        lines.append(
            f"- At {row.face_size_px} px, {report.labels[weakest]} is recognised least: {recalls[weakest]:.0%} of "
            f"{counts[weakest]} faces. The commonest mistake is {report.labels[named]} for {report.labels[true]}: "
            f"{mistakes[true, named]} of {counts[true]}."
        )
    return "\n".join(lines)
