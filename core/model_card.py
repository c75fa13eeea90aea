"""The model card: what a model is, how well it reads faces of each size, and what it must not be used for.

It is a function of the manifest, so that whatever changes metrics or temperatures can write it anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .bundle import BundleManifest
from .metrics import Interval

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

Logits are divided by a temperature of the face's size before the softmax, fitted on `{fitted_on}`, {fitted_tracks}.
{calibration}: {temperatures}.

{abstention}

## What it confuses

Rows are true expressions, columns predicted ones.

{confusions}

## Known failures

{failures}

Faces that are turned away, covered by hands, masks or hair, lit from one side, or of children and old people are rare
in most public sets: expect less there, and measure on your own faces. Crops must be upright; a face that leans by more
than about 15 degrees should be turned first.
{remarks}
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
_ABSTENTION = (
    "To be wrong in at most one of so many answers, abstain below a threshold. Thresholds were chosen on validation\n"
    "faces of the same track, shares are of test faces. `fsrfer-train compare --output` draws risk against coverage."
)
_CRITERION = (
    "clearly better (ten points, at the lower end of the interval) than always naming the most frequent expression, "
    "and at least twice as good as guessing in mean class accuracy"
)

Row = Mapping[str, Any]
"""One size of an evaluation, as :meth:`fsrfer.datasets.evaluation.SizeReport.to_json` gives it."""


def model_card(manifest: BundleManifest) -> str:
    """Return the model card, as Markdown.

    Args:
        manifest: Description of the model. Its provenance names train, valid and test split in this order; its metrics
            are those of :func:`fsrfer.datasets.bundle_metrics.bundle_metrics`, from which a later calibration may have
            taken the figures that held under other temperatures, and may hold ``remarks``, texts by title.
    """
    train_id, valid_id, test_id = manifest.provenance.dataset_ids
    metrics = manifest.metrics
    clean, realistic = _rows(metrics, "test"), _rows(metrics, "test_realistic")
    return _TEMPLATE.format(
        name=manifest.name,
        count=len(manifest.labels),
        labels=", ".join(manifest.labels),
        clean=_accuracies(clean),
        realistic=_accuracies(realistic),
        protocol=metrics["test_realistic"]["track"],
        smallest=_smallest(clean, realistic),
        fitted_on=metrics.get("calibrated_on", {}).get("dataset_id", valid_id),
        fitted_tracks=_fitted_tracks(metrics),
        calibration=_calibration(clean),
        temperatures=_temperatures(manifest),
        abstention=_abstention(metrics),
        confusions=_confusions(metrics, manifest.labels),
        failures=_failures(metrics["test"]["sizes"], manifest.labels),
        remarks="".join(f"\n### {title}\n\n{text}\n" for title, text in metrics.get("remarks", {}).items()),
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


def smallest_readable_px(rows: Sequence[Row]) -> int | None:
    """Return the smallest size down to which a label means something, or None where it does at no size.

    A label means something where always naming the most frequent expression is clearly worse (by ten points, at the
    lower end of the accuracy's interval) and the mean class accuracy is, at its lower end, twice that of guessing.

    Args:
        rows: An evaluation on a test split by size.
    """
    readable: int | None = None
    for row in sorted(rows, key=lambda row: -row["face_size_px"]):
        counts = np.array(row["confusion"]).sum(axis=1)
        frequent = counts.max() / counts.sum()
        chance = 1.0 / np.count_nonzero(counts)
        if row["accuracy"]["low"] < frequent + 0.1 or row["mean_class_accuracy"]["low"] < 2 * chance:
            break
        readable = int(row["face_size_px"])
    return readable


def _rows(metrics: Mapping[str, Any], key: str) -> list[Row]:
    """Return the sizes of a report and those below, largest first."""
    return [*metrics[key]["sizes"], *metrics.get(f"{key}_smaller", {}).get("sizes", [])]


def _smallest(clean: Sequence[Row], realistic: Sequence[Row]) -> str:
    on_clean, on_realistic = _reach(clean, "clean"), _reach(realistic, "realistic")
    return f"**A label means something {on_clean}, and {on_realistic}**; that is, it is {_CRITERION}."


def _reach(rows: Sequence[Row], track: str) -> str:
    size, measured = smallest_readable_px(rows), min(row["face_size_px"] for row in rows)
    if size is None:
        return f"at no size on {track} faces"
    return f"down to {size} px on {track} faces{' (smaller ones were not measured)' if size == measured else ''}"


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def _accuracies(rows: Sequence[Row]) -> str:
    return _table(_COLUMNS, [_accuracy_cells(row) for row in rows])


def _accuracy_cells(row: Row) -> tuple[str, ...]:
    smaller = f" ({row['smaller_count']} smaller)" if row["smaller_count"] else ""
    ece = f"{row['ece']:.1%}" if "ece" in row else "not measured"
    intervals = (str(Interval(**row[key])) for key in ("accuracy", "mean_class_accuracy"))
    return (f"{row['face_size_px']} px", f"{row['count']}{smaller}", *intervals, ece)


def _fitted_tracks(metrics: Mapping[str, Any]) -> str:
    protocols = metrics.get("calibrated_on", {}).get("tracks") or ["clean", metrics["test_realistic"]["track"]]
    return " and ".join(f"track `{protocol}`" for protocol in protocols) + (" together" if len(protocols) > 1 else "")


def _calibration(rows: Sequence[Row]) -> str:
    if all("ece" in row for row in rows):
        return "The tables above give the expected calibration error (ECE, 15 bins) under them. Temperatures of faces"
    return "The calibration error under them was not measured on test faces. Temperatures of faces"


def _temperatures(manifest: BundleManifest) -> str:
    if not manifest.temperatures:
        return "none"
    return ", ".join(f"{band.temperature:g} from {band.min_face_px:g} px" for band in manifest.temperatures)


def _abstention(metrics: Mapping[str, Any]) -> str:
    tables = [
        f"Track `{metrics[report]['track']}`:\n\n{_thresholds(metrics[key])}"
        for key, report in (("abstention", "test"), ("abstention_realistic", "test_realistic"))
        if key in metrics
    ]
    if not tables:
        return "Thresholds of confidence to abstain below were not chosen under these temperatures."
    return "\n\n".join([_ABSTENTION, *tables])


def _thresholds(rows: Sequence[Row]) -> str:
    cells = [
        (
            f"{row['face_size_px']} px",
            f"1 in {round(1 / row['target_risk'])}",
            f"{row['threshold']:.2f}" if row["threshold"] <= 1 else "none",
            f"{row['coverage']:.1%}",
            f"{row['risk']:.1%}" if row["coverage"] else "",
        )
        for row in rows
    ]
    return _table(("face size", "wrong answers", "threshold", "answered", "wrong among them"), cells)


def _confusions(metrics: Mapping[str, Any], labels: Sequence[str]) -> str:
    return "\n\n".join(
        _confusion(row, metrics[key]["track"], labels)
        for key in ("test", "test_realistic")
        for row in metrics[key]["sizes"]
    )


def _confusion(row: Row, track: str, labels: Sequence[str]) -> str:
    confusion = np.array(row["confusion"])
    cells = [
        (label, *(str(count) for count in counts), f"{recall:.0%}" if total else "no face")
        for label, counts, recall, total in zip(
            labels, confusion, _recalls(confusion), confusion.sum(axis=1), strict=True
        )
    ]
    return f"{row['face_size_px']} px, track `{track}`:\n\n" + _table(("", *labels, "recall"), cells)


def _recalls(confusion: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    return np.asarray(np.diag(confusion) / np.maximum(confusion.sum(axis=1), 1), np.float64)


def _failures(rows: Sequence[Row], labels: Sequence[str]) -> str:
    """Name the weakest expression and the commonest mistake at the largest and the smallest size."""
    ordered = sorted(rows, key=lambda row: -row["face_size_px"])
    lines = []
    for row in (ordered[0], ordered[-1])[: len(ordered)]:
        confusion = np.array(row["confusion"])
        counts = confusion.sum(axis=1)
        recalls = np.where(counts > 0, _recalls(confusion), np.inf)
        weakest = int(recalls.argmin())
        mistakes = confusion - np.diag(np.diag(confusion))
        true, named = divmod(int(mistakes.argmax()), len(labels))
        lines.append(
            f"- At {row['face_size_px']} px, {labels[weakest]} is recognised least: {recalls[weakest]:.0%} of "
            f"{counts[weakest]} faces. The commonest mistake is {labels[named]} for {labels[true]}: "
            f"{mistakes[true, named]} of {counts[true]}."
        )
    return "\n".join(lines)
