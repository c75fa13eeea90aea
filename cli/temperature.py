"""``fsrfer-calibrate temperature``: confidence fitted to accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from ..core.bundle import ArtifactKind, ModelBundle, TemperatureBand
from ..core.errors import DatasetError
from ..core.files import write_text
from ..core.model_card import model_card
from ..core.options import Precision
from ..datasets import EvaluationReport, FaceDataset, Track, evaluate_by_size, open_dataset, with_labels
from ..datasets.bundle_metrics import SMALLER_SIZES, bundle_metrics, without_confidence
from ..datasets.confidence import fit_temperature_bands
from ..runtime.opening import open_bundle
from .console import NOTES, print_json, print_table, progress_bar
from .parsing import parse_sizes
from .tracks import parse_tracks


def temperature(
    bundle: Annotated[Path, typer.Argument(help="Bundle with a fused graph.")],
    data: Annotated[str, typer.Option(help="Labelled faces that the model was not trained on, such as ferplus:PATH.")],
    split: Annotated[str, typer.Option(help="Split of these faces; never the one that the test is made on.")] = "valid",
    sizes: Annotated[str, typer.Option(help="Native face sizes in pixels; each becomes a band.")] = "48,24,16,12,8",
    tracks: Annotated[
        str,
        typer.Option(
            help="How small faces are made: clean, realistic, or both, separated by a comma. For crops of your own "
            "cameras, which are blurred enough, clean alone."
        ),
    ] = "clean,realistic",
    precision: Annotated[Precision, typer.Option(help="Which of the bundle's graphs to calibrate.")] = Precision.FP32,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Fit how sure the model says it is to how often it is right: one temperature for each band of face sizes.

    The decisions stay as they are; only confidences change. The bundle keeps the temperatures, for all its graphs. Its
    metrics and its model card follow: measured anew where the data set has the model's own test split, else without
    what held under the former temperatures.
    """
    loaded = ModelBundle.load(bundle)
    dataset = with_labels(open_dataset(data, split), loaded.manifest.labels)
    wanted, chosen = parse_sizes(sizes), parse_tracks(tracks)
    before = _evaluations(loaded, precision, dataset, wanted, chosen)
    bands = fit_temperature_bands(before, dataset.label_indices)
    _record(loaded, precision, data, dataset, before, bands)
    NOTES.print(f"recorded {len(bands)} temperatures in {bundle}", markup=False, soft_wrap=True)
    after = [report.calibrated(bands, dataset.label_indices) for report in before]
    rows = _rows(bands, before, after)
    if as_json:
        print_json(rows)
        return
    columns = ("face size", "from", "temperature", "track", "ECE before", "ECE after")
    cells = [
        (
            f"{row['face_size_px']} px",
            f"{row['min_face_px']:g} px",
            f"{row['temperature']:.3f}",
            row["track"],
            f"{row['ece_before']:.3f}",
            f"{row['ece_after']:.3f}",
        )
        for row in rows
    ]
    print_table(f"on {dataset.dataset_id}", columns, cells)


def _record(
    bundle: ModelBundle,
    precision: Precision,
    data: str,
    dataset: FaceDataset,
    reports: Sequence[EvaluationReport],
    bands: tuple[TemperatureBand, ...],
) -> None:
    """Keep the temperatures, and let metrics and model card say what holds under them."""
    metrics = without_confidence(bundle.manifest.metrics)
    metrics["calibrated_on"] = {
        "dataset_id": dataset.dataset_id,
        "tracks": [report.track.protocol for report in reports],
    }
    test = _own_test_split(bundle, data)
    if test is not None:
        valid = {report.track: report for report in reports}
        sizes = [row.face_size_px for row in reports[0].sizes]
        smaller = [size for size in SMALLER_SIZES if size < min(sizes)]
        tried = _evaluations(bundle, precision, test, [*sizes, *smaller], list(valid))
        tested = {report.track: report for report in tried}
        metrics |= bundle_metrics(valid, tested, bands, dataset.label_indices, test.label_indices)
    changed = bundle.record(temperatures=bands, metrics=metrics)
    if changed.has(ArtifactKind.MODEL_CARD):
        text = model_card(changed.manifest)
        changed.store(ArtifactKind.MODEL_CARD, lambda path: write_text(path, text))


def _own_test_split(bundle: ModelBundle, data: str) -> FaceDataset | None:
    """Return the test split that the model's figures are of, or None where the data set is another one."""
    try:
        test = open_dataset(data, "test")
    except DatasetError as problem:
        NOTES.print(f"test figures of confidence are not measured: {problem.message}", markup=False, soft_wrap=True)
        return None
    if test.dataset_id != bundle.manifest.provenance.dataset_ids[-1]:
        NOTES.print(
            f"test figures of confidence are not measured: {test.dataset_id} is not the model's test split",
            markup=False,
            soft_wrap=True,
        )
        return None
    return with_labels(test, bundle.manifest.labels)


def _evaluations(
    bundle: ModelBundle, precision: Precision, dataset: FaceDataset, sizes: Sequence[int], tracks: Sequence[Track]
) -> list[EvaluationReport]:
    with open_bundle(bundle.path, precision=precision) as classifier, progress_bar() as bars:

        def evaluated(track: Track) -> EvaluationReport:
            task = bars.add_task(f"classifying, {track.value}", total=len(dataset))
            return evaluate_by_size(
                classifier.logits,
                dataset,
                bundle.manifest.preprocess,
                sizes,
                temperatures=bundle.manifest.temperatures,
                track=track,
                on_progress=lambda done, total: bars.update(task, completed=done, total=total),
            )

        return [evaluated(track) for track in tracks]


def _rows(
    bands: Sequence[TemperatureBand], before: Sequence[EvaluationReport], after: Sequence[EvaluationReport]
) -> list[dict[str, Any]]:
    sizes = sorted(row.face_size_px for row in before[0].sizes)
    return [
        {
            "face_size_px": size,
            "min_face_px": band.min_face_px,
            "temperature": band.temperature,
            "track": old.track.protocol,
            "ece_before": old.at(size).ece,
            "ece_after": new.at(size).ece,
        }
        for size in sizes
        for band in [[one for one in bands if one.min_face_px <= size][-1]]
        for old, new in zip(before, after, strict=True)
    ]
