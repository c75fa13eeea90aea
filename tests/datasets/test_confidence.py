"""Temperatures that make confidence mean what it says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsrfer.core import ColorMode, PreprocessSpec, TemperatureBand
from fsrfer.core.errors import InputSpecError
from fsrfer.core.metrics import expected_calibration_error, negative_log_likelihood
from fsrfer.core.predictions import softmax
from fsrfer.datasets import EvaluationReport, InMemoryFaces, evaluate_by_size
from fsrfer.datasets.confidence import abstention_rows, fit_temperature, fit_temperature_bands


def honest(count=4000, classes=5, seed=0):
    """Logits whose softmax is the true distribution of the labels."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1.5, (count, classes)).astype(np.float32)
    shares = softmax(logits).astype(np.float64)
    labels = (shares.cumsum(axis=1) > rng.random((count, 1)) * shares.sum(axis=1, keepdims=True)).argmax(axis=1)
    return logits, labels.astype(np.int64)


@settings(deadline=None, max_examples=25)
@given(st.floats(0.2, 8.0), st.integers(0, 1000))
def test_it_undoes_what_made_the_logits_dishonest(factor, seed):
    logits, labels = honest(seed=seed)
    own = fit_temperature(logits, labels)
    assert own == pytest.approx(1.0, abs=0.15)
    assert fit_temperature(np.float32(factor) * logits, labels) == pytest.approx(factor * own, rel=1e-3)


def test_it_is_the_optimum_of_the_likelihood():
    logits, labels = honest()
    best = fit_temperature(3 * logits, labels)
    at = {
        t: negative_log_likelihood((3 * logits / t).astype(np.float32), labels)
        for t in (0.97 * best, best, 1.03 * best)
    }
    assert min(at, key=at.get) == best
    before = expected_calibration_error(softmax(3 * logits), labels)
    assert expected_calibration_error(softmax((3 * logits / best).astype(np.float32)), labels) < before / 4


def test_the_ends_of_its_range():
    logits = np.eye(3, dtype=np.float32)
    assert fit_temperature(logits, np.arange(3)) == pytest.approx(0.05)
    assert fit_temperature(logits, np.array([1, 2, 0])) == pytest.approx(20.0)


@pytest.mark.parametrize(("logits", "labels"), [(np.zeros((0, 3)), np.zeros(0)), (np.zeros((2, 3)), np.zeros(3))])
def test_arrays_that_do_not_fit_are_refused(logits, labels):
    with pytest.raises(InputSpecError, match="no temperature"):
        fit_temperature(logits.astype(np.float32), labels.astype(np.int64))


def test_each_size_has_a_band_that_reaches_half_way_to_its_neighbours():
    rng = np.random.default_rng(0)
    faces = InMemoryFaces(
        name="mine",
        split="valid",
        labels=("neutral", "happiness"),
        images=rng.integers(0, 256, (60, 48, 48), dtype=np.uint8),
        label_indices=rng.integers(0, 2, 60),
        sample_ids=[str(number) for number in range(60)],
    )

    def surer_when_small(batch, native):
        lean = batch.mean(axis=(1, 2, 3)) - 127
        return np.stack([lean, -lean], axis=1).astype(np.float32) * (48 / native[:, None]) ** 0.1

    report = evaluate_by_size(surer_when_small, faces, PreprocessSpec(48, 48, ColorMode.GRAY), (12, 48, 24))
    bands = fit_temperature_bands([report], faces.label_indices)
    assert [band.min_face_px for band in bands] == [0.0, pytest.approx(16.97), pytest.approx(33.94)]
    wanted = [fit_temperature(report.at(size).logits, faces.label_indices) for size in (12, 24, 48)]
    assert [band.temperature for band in bands] == pytest.approx(wanted, abs=1e-4)
    calibrated = report.calibrated(bands, faces.label_indices)
    for size in (12, 24, 48):
        assert calibrated.at(size).nll <= report.at(size).nll + 1e-6
        assert calibrated.at(size).accuracy == report.at(size).accuracy
    direct = evaluate_by_size(
        surer_when_small, faces, PreprocessSpec(48, 48, ColorMode.GRAY), (12, 48, 24), temperatures=bands
    )
    assert [row.ece for row in direct.sizes] == pytest.approx([row.ece for row in calibrated.sizes])


def with_small_faces(sizes: tuple[int, ...], smaller: int) -> tuple[EvaluationReport, np.ndarray]:
    """An evaluation of 400 faces, of which the first 200 are that small in the data set."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (400, 48, 48), dtype=np.uint8)
    is_darker = images.mean(axis=(1, 2)) < 127  # what the answers say, right for three of four faces
    faces = InMemoryFaces(
        name="mine",
        split="valid",
        labels=("neutral", "happiness"),
        images=images,
        label_indices=(is_darker ^ (rng.random(400) < 0.25)).astype(np.int64),
        sample_ids=[str(number) for number in range(400)],
    )

    def lean(batch, native):
        value = batch.mean(axis=(1, 2, 3)) - 127
        return np.stack([value, -value], axis=1).astype(np.float32)

    report = evaluate_by_size(lean, faces, PreprocessSpec(48, 48, ColorMode.GRAY), sizes)
    is_small = np.arange(400) < 200
    rows = []
    for row in report.sizes:
        native = np.where(is_small, min(row.face_size_px, smaller), row.face_size_px).astype(np.float32)
        rows.append(replace(row, native_px=native, logits=row.logits * np.where(is_small, 5, 1)[:, None]))
    return replace(report, sizes=tuple(rows)), faces.label_indices


def test_a_band_is_fitted_on_faces_of_its_own_sizes_only():
    report, labels = with_small_faces((48, 12), smaller=12)
    small, large = fit_temperature_bands([report], labels)
    assert small.temperature == pytest.approx(fit_temperature(report.at(12).logits, labels), abs=1e-4)
    assert large.temperature == pytest.approx(fit_temperature(report.at(48).logits[200:], labels[200:]), abs=1e-4)
    assert large.temperature != pytest.approx(fit_temperature(report.at(48).logits, labels), abs=1e-2)


def test_a_band_without_faces_is_left_to_the_one_below():
    report, labels = with_small_faces((48, 24, 12), smaller=12)
    of_small_faces = slice(0, 200)
    rows = tuple(
        replace(row, logits=row.logits[of_small_faces], native_px=row.native_px[of_small_faces]) for row in report.sizes
    )
    (band,) = fit_temperature_bands([replace(report, sizes=rows)], labels[of_small_faces])
    assert band.min_face_px == 0.0
    assert band.temperature == pytest.approx(
        fit_temperature(report.at(12).logits[of_small_faces], labels[of_small_faces]), abs=1e-4
    )


def test_several_tracks_share_a_temperature_between_theirs():
    rng = np.random.default_rng(0)
    logits, labels = honest(count=500, classes=2)

    def evaluated(factor):
        faces = InMemoryFaces(
            name="mine",
            split="valid",
            labels=("neutral", "happiness"),
            images=rng.integers(0, 256, (500, 8, 8), dtype=np.uint8),
            label_indices=labels,
            sample_ids=[str(number) for number in range(500)],
        )
        rows = iter(np.split(factor * logits, range(64, 500, 64)))
        return evaluate_by_size(lambda batch, native: next(rows), faces, PreprocessSpec(8, 8, ColorMode.GRAY), (8,))

    low, high = (fit_temperature_bands([evaluated(factor)], labels)[0].temperature for factor in (1.0, 3.0))
    shared = fit_temperature_bands([evaluated(1.0), evaluated(3.0)], labels)[0].temperature
    assert low < shared < high


def test_no_report_gives_no_temperature():
    with pytest.raises(InputSpecError, match="no temperature"):
        fit_temperature_bands([], np.zeros(3, np.int64))


def one_size(logits: np.ndarray, labels: np.ndarray) -> EvaluationReport:
    """An evaluation at 12 px in which face number n gets row n of the logits."""
    faces = InMemoryFaces(
        name="mine",
        split="test",
        labels=tuple("abcde"),
        images=np.zeros((len(labels), 12, 12), np.uint8),
        label_indices=labels,
        sample_ids=[str(number) for number in range(len(labels))],
    )
    seen = iter(np.array_split(logits, range(64, len(labels), 64)))
    return evaluate_by_size(lambda batch, native: next(seen), faces, PreprocessSpec(12, 12, ColorMode.GRAY), (12,))


def test_thresholds_of_validation_keep_their_risk_on_test():
    valid, test = (one_size(*honest(seed=seed)) for seed in (1, 2))
    rows = abstention_rows(valid, test, (), risks=(0.4, 0.2, 0.1))
    assert [row.target_risk for row in rows] == [0.4, 0.2, 0.1]
    assert [row.face_size_px for row in rows] == [12, 12, 12]
    for row in rows:
        assert row.risk == pytest.approx(row.target_risk, abs=0.04)
    coverages, thresholds = ([getattr(row, name) for row in rows] for name in ("coverage", "threshold"))
    assert coverages == sorted(coverages, reverse=True)
    assert thresholds == sorted(thresholds)
    # Honest confidence: among faces answered at 90 % and above, less than one in ten is wrong.
    assert rows[2].threshold < 0.9


def test_a_temperature_moves_thresholds_and_no_decision():
    valid, test = (one_size(*honest(seed=seed)) for seed in (1, 2))
    (plain,), (cooled,) = (
        abstention_rows(valid, test, bands, risks=(0.2,)) for bands in ((), (TemperatureBand(0.0, 3.0),))
    )
    assert cooled.threshold < plain.threshold
    assert cooled.risk == pytest.approx(plain.risk, abs=0.04)


def test_where_no_threshold_keeps_the_risk_nothing_is_answered():
    logits, _ = honest()
    wrong = (logits.argmax(axis=1) + 1) % 5
    report = one_size(logits, wrong.astype(np.int64))
    (row,) = abstention_rows(report, report, (), risks=(0.1,))
    assert (row.coverage, row.risk) == (0.0, 0.0)
    assert row.threshold > 1
