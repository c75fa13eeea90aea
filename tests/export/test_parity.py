"""The comparison itself: it must see what is wrong."""

from __future__ import annotations

import numpy as np
import pytest

from fsrfer.core.errors import ParityError
from fsrfer.core.preprocess import PreprocessSpec
from fsrfer.export.parity import compare

SPEC = PreprocessSpec(height=16, width=16)
FACES = [np.random.default_rng(seed).integers(0, 256, (24, 24, 3), dtype=np.uint8) for seed in range(8)]


def linear(batch, face_size_px):
    """Two logits that depend on the pixels and on the size."""
    mean = batch.mean(axis=(1, 2, 3), dtype=np.float32) / 255
    return np.stack([mean, 1 - mean + face_size_px / 1000], axis=1)


def compared_with(candidate):
    return compare(("reference", linear), ("candidate", candidate), FACES, SPEC, (16, 8))


def test_a_model_equals_itself():
    report = compared_with(linear)
    assert [(row.face_size_px, row.count, row.max_error, row.agreement) for row in report.rows] == [
        (16, 8, 0.0, 1.0),
        (8, 8, 0.0, 1.0),
    ]
    report.raise_if_above(0.0)


def test_a_constant_error_is_measured():
    report = compared_with(lambda batch, size: linear(batch, size) + np.float32(0.25))
    assert report.rows[0].max_error == pytest.approx(0.25, abs=1e-6)
    assert report.rows[0].mean_error == pytest.approx(0.25, abs=1e-6)
    with pytest.raises(ParityError, match=r"candidate differs from reference at (16|8) px.*within 0\.001"):
        report.raise_if_above(1e-3)
    report.raise_if_above(0.3)


def test_an_error_at_one_size_only_is_named():
    report = compared_with(lambda batch, size: linear(batch, size) + (size < 10)[:, None].astype(np.float32))
    with pytest.raises(ParityError, match="at 8 px"):
        report.raise_if_above(1e-3)


def test_changed_decisions_fail_although_the_logits_are_close():
    report = compared_with(lambda batch, size: linear(batch, size)[:, ::-1])
    with pytest.raises(ParityError, match="equal decisions"):
        report.raise_if_above(1e9)


def test_not_a_number_fails():
    report = compared_with(lambda batch, size: linear(batch, size) * np.float32(np.nan))
    with pytest.raises(ParityError):
        report.raise_if_above(1e9, min_agreement=0.0)
