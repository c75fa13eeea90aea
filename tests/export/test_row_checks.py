"""Models whose rows leak into each other are found out."""

from __future__ import annotations

import numpy as np
import pytest

from fsrfer.core.errors import InputSpecError
from fsrfer.export.row_checks import check_rows

FACES = np.random.default_rng(0).integers(0, 256, (6, 1, 8, 8), dtype=np.uint8)
SIZES = np.full(6, 8, np.float32)
BATCHES = (1, 4, 8)


def largest(found):
    return np.max([found.identical_rows, found.permuted_rows, found.other_batch_sizes])


def sound(faces, sizes):
    means = faces.mean(axis=(1, 2, 3), dtype=np.float64)
    return np.stack([means, sizes - means], axis=1).astype(np.float32)


def test_a_sound_model_passes():
    found = check_rows(sound, FACES, SIZES, BATCHES)
    assert found.batch_sizes == (1, 3, 4, 8)
    assert largest(found) == 0.0


def test_a_model_that_gives_positions_away():
    """As NVIDIA/TensorRT issue 4813: equal rows, unequal results."""
    found = check_rows(lambda f, s: sound(f, s) + 0.1 * np.arange(len(f))[:, None], FACES, SIZES, BATCHES)
    assert found.identical_rows == pytest.approx(0.7, abs=1e-4)
    assert found.permuted_rows > 0.1


def test_a_model_whose_rows_see_their_neighbours():
    found = check_rows(lambda f, s: sound(f, s) - sound(f, s).mean(axis=0), FACES, SIZES, BATCHES)
    assert found.other_batch_sizes > 1.0


def test_a_model_that_fails_at_odd_batches_only():
    def odd(faces, sizes):
        return sound(faces, sizes) + (1.0 if len(faces) == 3 else 0.0)

    found = check_rows(odd, FACES, SIZES, BATCHES)
    assert found.other_batch_sizes == pytest.approx(1.0)
    assert found.identical_rows == 0.0


def test_numbers_that_are_none_are_no_pass():
    found = check_rows(lambda f, s: np.where(len(f) == 8, np.nan, sound(f, s)), FACES, SIZES, BATCHES)
    assert not largest(found) <= 1e9


@pytest.mark.parametrize("fixed", [(4, 4, 4), (2, 5, 6), (1, 1, 1), (1, 2, 2)])
def test_all_profiles_are_served_within_their_bounds(fixed):
    seen = set()

    def watched(faces, sizes):
        assert fixed[0] <= len(faces) <= fixed[2]
        seen.add(len(faces))
        return sound(faces, sizes)

    assert largest(check_rows(watched, FACES, SIZES, fixed)) == 0.0
    assert {fixed[0], fixed[1], fixed[2]} <= seen


def test_without_faces_nothing_is_checked():
    with pytest.raises(InputSpecError, match="cannot be checked"):
        check_rows(sound, FACES[:0], SIZES[:0], BATCHES)
