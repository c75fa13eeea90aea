"""What a bundle records of its evaluation."""

from __future__ import annotations

import json

import numpy as np
import pytest

from fsrfer.core import ColorMode, PreprocessSpec, TemperatureBand
from fsrfer.core.schema import to_mapping
from fsrfer.datasets import InMemoryFaces, Track, evaluate_by_size
from fsrfer.datasets.bundle_metrics import bundle_metrics, without_confidence
from fsrfer.datasets.confidence import abstention_rows

SPEC = PreprocessSpec(16, 16, ColorMode.GRAY)
BANDS = (TemperatureBand(0.0, 2.0),)


def evaluated(split: str, sizes, temperatures=()):
    rng = np.random.default_rng(len(split))
    faces = InMemoryFaces(
        name="mine",
        split=split,
        labels=("neutral", "happiness"),
        images=rng.integers(0, 256, (80, 16, 16), dtype=np.uint8),
        label_indices=rng.integers(0, 2, 80),
        sample_ids=[str(number) for number in range(80)],
    )

    def lean(batch, native):
        value = (batch.mean(axis=(1, 2, 3)) - 127) / 4
        return np.stack([value, -value], axis=1).astype(np.float32)

    reports = {
        track: evaluate_by_size(lean, faces, SPEC, sizes, track=track, temperatures=temperatures) for track in Track
    }
    return reports, faces.label_indices


@pytest.fixture(scope="module")
def metrics():
    (valid, valid_labels), (test, test_labels) = evaluated("valid", (16, 8)), evaluated("test", (16, 8, 5))
    return bundle_metrics(valid, test, BANDS, valid_labels, test_labels)


def test_both_splits_and_tracks_are_recorded_under_the_temperatures_that_hold(metrics):
    assert json.loads(json.dumps(metrics)) == metrics
    for split in ("valid", "test"):
        reports, _ = evaluated(split, (16, 8), BANDS)
        for track, suffix in ((Track.CLEAN, ""), (Track.REALISTIC, "_realistic")):
            shown = metrics[f"{split}{suffix}"]
            assert shown["track"] == track.protocol
            assert shown["sizes"] == [row.to_json() for row in reports[track].sizes]


def test_sizes_below_those_of_the_validation_are_apart(metrics):
    assert [row["face_size_px"] for row in metrics["test"]["sizes"]] == [16, 8]
    for key in ("test_smaller", "test_realistic_smaller"):
        assert [row["face_size_px"] for row in metrics[key]["sizes"]] == [5]


def test_thresholds_are_of_each_track(metrics):
    (valid, _), (test, _) = evaluated("valid", (16, 8)), evaluated("test", (16, 8))
    for track, key in ((Track.CLEAN, "abstention"), (Track.REALISTIC, "abstention_realistic")):
        assert metrics[key] == [to_mapping(row) for row in abstention_rows(valid[track], test[track], BANDS)]


def test_what_held_under_former_temperatures_is_taken_away(metrics):
    kept = without_confidence({**metrics, "cost": {"macs": 3}})
    assert kept["cost"] == {"macs": 3}
    assert not [key for key in kept if "abstention" in key]
    for key in ("valid", "test", "test_realistic", "test_smaller"):
        for before, after in zip(metrics[key]["sizes"], kept[key]["sizes"], strict=True):
            assert set(before) - set(after) == {"ece", "nll"}
            assert {name: before[name] for name in after} == after
