"""Evaluation by native face size."""

from __future__ import annotations

import json

import numpy as np
import pytest

from fsrfer.core import ColorMode, PreprocessSpec, TemperatureBand, bicubic_resize, preprocess
from fsrfer.core.errors import InputSpecError
from fsrfer.core.metrics import expected_calibration_error, negative_log_likelihood
from fsrfer.core.predictions import softmax
from fsrfer.datasets import FaceSample, InMemoryFaces, SizeReport, Track, evaluate_by_size
from fsrfer.datasets.realistic import realistic_face

LABELS = ("neutral", "happiness", "surprise")
SPEC = PreprocessSpec(24, 24, ColorMode.GRAY)


def faces(count=30, shape=(48, 48), seed=0):
    rng = np.random.default_rng(seed)
    return InMemoryFaces(
        name="mine",
        split="test",
        labels=LABELS,
        images=rng.integers(0, 256, (count, *shape), dtype=np.uint8),
        label_indices=rng.integers(0, 3, count),
        sample_ids=[str(number) for number in range(count)],
    )


class MixedFaces:
    """Faces of different shapes, grey and colour."""

    name, split, dataset_id, labels, soft_labels = "mixed", "test", "mixed/test", LABELS, None
    shapes = ((48, 48), (48, 48, 3), (10, 10), (30, 20, 3), (24, 60), (48, 48), (8, 100, 3))

    def __init__(self):
        rng = np.random.default_rng(1)
        self.images = [rng.integers(0, 256, shape, dtype=np.uint8) for shape in self.shapes]
        self.label_indices = np.arange(len(self.images)) % 3

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return FaceSample(self.images[index], int(self.label_indices[index]), None, str(index))


def linear(batch, native):
    """A fixed linear classifier that also looks at the native size."""
    weights = np.random.default_rng(2).normal(0, 0.02, (batch[0].size, 3)).astype(np.float32)
    return batch.reshape(len(batch), -1).astype(np.float32) / 255 @ weights + native[:, None] * [[0.001, 0, 0]]


def one_by_one(dataset, size):
    logits, smaller = [], 0
    for index in range(len(dataset)):
        image = dataset[index].image
        if min(image.shape[:2]) >= size:
            image = bicubic_resize(image, size)
        else:
            smaller += 1
        logits.append(linear(*preprocess([image], SPEC))[0])
    return np.array(logits), smaller


@pytest.mark.parametrize("dataset", [faces(), MixedFaces()], ids=["equal", "mixed"])
@pytest.mark.parametrize("batch_size", [1, 4, 64])
def test_every_face_takes_the_way_of_a_served_face(dataset, batch_size):
    report = evaluate_by_size(linear, dataset, SPEC, (48, 24, 12), batch_size=batch_size)
    assert [row.face_size_px for row in report.sizes] == [48, 24, 12]
    for row in report.sizes:
        expected, smaller = one_by_one(dataset, row.face_size_px)
        # A batch may sum in another order, and a pixel then round to the next level.
        np.testing.assert_allclose(row.logits, expected, atol=2e-3)
        assert row.smaller_count == smaller
        assert row.count == len(dataset) == row.confusion.sum()
        np.testing.assert_array_equal(row.correct, row.predictions == dataset.label_indices)
        assert row.accuracy.value == pytest.approx(row.correct.mean())


def test_the_classifier_is_told_the_native_sizes():
    seen = {}

    def classify(batch, native):
        assert batch.dtype == np.uint8
        assert batch.shape[1:] == (1, 24, 24)
        seen.setdefault(len(seen), native.tolist())
        return np.zeros((len(batch), 3), np.float32)

    evaluate_by_size(classify, MixedFaces(), SPEC, (24, 12))
    assert seen[0] == pytest.approx([24, 24, 10, (30 * 20) ** 0.5, 24, 24, 800**0.5])
    assert seen[1] == pytest.approx([12, 12, 10, 12, 12, 12, 800**0.5])


def test_a_perfect_classifier_scores_perfectly():
    dataset = faces()
    truth = iter(np.tile(np.eye(3, dtype=np.float32)[dataset.label_indices] * 50, (2, 1)))
    report = evaluate_by_size(
        lambda batch, native: np.array([next(truth) for _ in batch]), dataset, SPEC, (48,), batch_size=7
    )
    row = report.at(48)
    assert (row.accuracy.value, row.mean_class_accuracy.value, row.macro_f1) == (1, 1, 1)
    assert row.ece == pytest.approx(0, abs=1e-6)
    assert row.nll == pytest.approx(0, abs=1e-6)
    np.testing.assert_array_equal(row.confusion, np.diag(np.bincount(dataset.label_indices)))


def test_temperatures_follow_the_native_size_and_leave_decisions_and_logits():
    dataset = MixedFaces()
    bands = (TemperatureBand(0, 4.0), TemperatureBand(11, 2.0), TemperatureBand(40, 0.5))
    plain = evaluate_by_size(linear, dataset, SPEC, (48, 12)).at(48)
    calibrated = evaluate_by_size(linear, dataset, SPEC, (48, 12), temperatures=bands).at(48)
    np.testing.assert_array_equal(plain.logits, calibrated.logits)
    np.testing.assert_array_equal(plain.predictions, calibrated.predictions)
    scaled = plain.logits / np.array([0.5, 0.5, 4, 2, 2, 0.5, 2], np.float32)[:, None]
    assert calibrated.nll == pytest.approx(negative_log_likelihood(scaled, dataset.label_indices), rel=1e-5)
    assert calibrated.ece == pytest.approx(expected_calibration_error(softmax(scaled), dataset.label_indices), rel=1e-5)
    assert calibrated.nll != plain.nll


def test_a_classifier_may_reuse_its_output_buffer():
    buffer = np.empty((64, 3), np.float32)

    def classify(batch, native):
        buffer[: len(batch)] = linear(batch, native)
        return buffer[: len(batch)]

    reused = evaluate_by_size(classify, faces(), SPEC, (24, 12), batch_size=8)
    fresh = evaluate_by_size(linear, faces(), SPEC, (24, 12), batch_size=8)
    for one, two in zip(reused.sizes, fresh.sizes, strict=True):
        np.testing.assert_array_equal(one.logits, two.logits.astype(np.float32))


def test_the_report_as_json_and_as_a_table():
    report = evaluate_by_size(linear, MixedFaces(), SPEC, (48, 12))
    value = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert value["dataset_id"] == "mixed/test"
    assert value["labels"] == list(LABELS)
    assert [row["face_size_px"] for row in value["sizes"]] == [48, 12]
    assert value["sizes"][0]["accuracy"]["value"] == report.at(48).accuracy.value
    assert np.sum(value["sizes"][0]["confusion"]) == 7
    assert "logits" not in value["sizes"][0]
    cells = report.at(48).cells()
    assert len(cells) == len(SizeReport.HEADER)
    assert cells[:2] == ("48 px", "7 (4 smaller)")


def test_a_size_that_was_not_evaluated_is_an_error():
    with pytest.raises(InputSpecError, match="expected one of 48, 12"):
        evaluate_by_size(linear, faces(), SPEC, (48, 12)).at(24)


@pytest.mark.parametrize("options", [{"sizes": ()}, {"sizes": (0,)}, {"sizes": (12, 12)}, {"batch_size": 0}])
def test_impossible_requests_are_refused(options):
    with pytest.raises(InputSpecError, match="impossible evaluation"):
        evaluate_by_size(linear, faces(), SPEC, **{"sizes": (12,), **options})


@pytest.mark.parametrize(
    "logits", [np.zeros((30, 4)), np.zeros((29, 3)), np.full((30, 3), np.nan), np.full((30, 3), np.inf)]
)
def test_unusable_logits_are_refused(logits):
    with pytest.raises(InputSpecError, match="logits are unusable"):
        evaluate_by_size(lambda batch, native: logits.astype(np.float32), faces(), SPEC, (12,))


def test_progress_counts_faces():
    calls = []
    evaluate_by_size(linear, faces(), SPEC, (24, 12), batch_size=12, on_progress=lambda *call: calls.append(call))
    assert calls == [(12, 30), (24, 30), (30, 30)]


def test_the_realistic_track_shows_frozen_faces_of_the_same_size():
    dataset = faces(12)
    shown = {}

    def remember(key):
        def classify(batch, native):
            shown.setdefault(key, []).append((batch.copy(), native.copy()))
            return linear(batch, native)

        return classify

    for key, track in (("first", Track.REALISTIC), ("second", Track.REALISTIC), ("clean", Track.CLEAN)):
        report = evaluate_by_size(remember(key), dataset, SPEC, (12,), track=track)
        assert report.track is track
        assert report.to_json()["track"] == track.protocol
    ((one, native),), ((two, _),), ((clean, _),) = shown["first"], shown["second"], shown["clean"]
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(native, 12)
    assert np.abs(one.astype(int) - clean).mean() > 5
    expected = [realistic_face(dataset[index].image, 12, 0, dataset[index].sample_id) for index in range(12)]
    np.testing.assert_array_equal(one, preprocess(expected, SPEC)[0])


def test_faces_that_are_smaller_already_take_no_part_in_the_degradation():
    small = faces(4, shape=(10, 10))
    clean, realistic = (evaluate_by_size(linear, small, SPEC, (12,), track=track) for track in Track)
    np.testing.assert_array_equal(clean.at(12).logits, realistic.at(12).logits)
    assert realistic.at(12).smaller_count == 4
