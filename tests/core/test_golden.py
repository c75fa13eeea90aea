"""Golden vectors: what they let pass and what they stop."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fsrfer.core import PreprocessSpec, preprocess
from fsrfer.core.errors import BundleError, CheckFailedError
from fsrfer.core.golden import MIN_SQNR_DB, GoldenVectors
from fsrfer.core.options import Precision

SPEC = PreprocessSpec(height=24, width=24)


@pytest.fixture(scope="module")
def golden() -> GoldenVectors:
    rng = np.random.default_rng(0)
    crops = tuple(rng.integers(0, 256, (size, size, 3), dtype=np.uint8) for size in (24, 16, 12, 8))
    faces, sizes = preprocess(list(crops), SPEC)
    return GoldenVectors(crops, faces, sizes, rng.normal(0, 2, (4, 7)).astype(np.float32))


def answering(logits: np.ndarray):
    return lambda faces, sizes: logits


def test_vectors_survive_the_disk(golden, tmp_path):
    golden.write(tmp_path / "golden.npz")
    found = GoldenVectors.read(tmp_path / "golden.npz")
    assert np.array_equal(found.faces, golden.faces)
    assert np.array_equal(found.logits, golden.logits)
    assert all(np.array_equal(one, other) for one, other in zip(found.crops, golden.crops, strict=True))
    golden.write(tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == (tmp_path / "golden.npz").read_bytes()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no archive", b"{}"])
def test_a_damaged_file_is_named(tmp_path, content):
    (tmp_path / "golden.npz").write_bytes(content)
    with pytest.raises(BundleError, match=r"golden.npz holds no golden vectors"):
        GoldenVectors.read(tmp_path / "golden.npz")


def test_an_archive_of_something_else_is_named(tmp_path):
    with (tmp_path / "golden.npz").open("wb") as file:
        np.savez(file, other=np.zeros(3))
    with pytest.raises(BundleError, match="no golden vectors"):
        GoldenVectors.read(tmp_path / "golden.npz")


@pytest.mark.parametrize("precision", Precision)
def test_noise_of_the_number_format_passes_and_more_does_not(golden, precision):
    centered = golden.logits - golden.logits.mean(axis=1, keepdims=True)
    noise = np.random.default_rng(1).normal(size=golden.logits.shape).astype(np.float32)
    noise -= noise.mean(axis=1, keepdims=True)
    # The same share of noise in every face, so that the bound on all of them decides.
    noise *= np.linalg.norm(centered, axis=1, keepdims=True) / np.linalg.norm(noise, axis=1, keepdims=True)

    def at(decibel: float) -> np.ndarray:
        return np.asarray(golden.logits + noise * 10 ** (-decibel / 20), np.float32)

    golden.check_logits(answering(at(MIN_SQNR_DB[precision] + 1)), precision, "graph")
    with pytest.raises(CheckFailedError, match=r"graph fails its self-test"):
        golden.check_logits(answering(at(MIN_SQNR_DB[precision] - 1)), precision, "graph")


def test_one_wrong_row_is_found_where_the_others_are_strong(golden):
    strong = replace(golden, logits=golden.logits * np.array([[50.0], [50.0], [50.0], [1.0]], np.float32))
    swapped = strong.logits.copy()
    swapped[3] = swapped[3, ::-1]
    with pytest.raises(CheckFailedError, match="worst face"):
        strong.check_logits(answering(swapped), Precision.INT8, "engine")


def test_exchanged_rows_are_found(golden):
    with pytest.raises(CheckFailedError, match="self-test"):
        golden.check_logits(answering(golden.logits[::-1].copy()), Precision.INT8, "engine")


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_numbers_that_are_none_are_found(golden, broken):
    logits = golden.logits.copy()
    logits[0, 0] = broken
    with pytest.raises(CheckFailedError, match="finite"):
        golden.check_logits(answering(logits), Precision.INT8, "engine")


def test_too_few_rows_are_found(golden):
    with pytest.raises(CheckFailedError, match=r"\(3, 7\)"):
        golden.check_logits(answering(golden.logits[:3]), Precision.FP32, "engine")


def test_an_offset_common_to_all_logits_does_not_matter(golden):
    golden.check_logits(answering(golden.logits + 100.0), Precision.FP16, "graph")


def test_preprocessing_is_compared(golden):
    golden.check_preprocessing(SPEC)
    rounded = golden.faces.astype(np.int16)
    rounded[0, 0, 0, 0] += 1 if rounded[0, 0, 0, 0] < 255 else -1
    replace(golden, faces=rounded.astype(np.uint8)).check_preprocessing(SPEC)
    other = np.clip(golden.faces.astype(np.int16) + 2, 0, 255).astype(np.uint8)
    with pytest.raises(CheckFailedError, match="preprocessing on this machine differs"):
        replace(golden, faces=other).check_preprocessing(SPEC)
