"""The clean protocol of making small faces."""

from __future__ import annotations

import numpy as np
import pytest

from fsrfer.core import bicubic_resize
from fsrfer.core.errors import InputSpecError
from fsrfer.datasets import EVALUATION_SIZES, paper_sizes, shrink


def test_sizes_of_the_paper():
    assert paper_sizes(100, range(2, 9)) == (50, 34, 25, 20, 17, 15, 13)
    assert paper_sizes(48) == (48, 24, 16, 12, 10, 8, 7, 6)


@pytest.mark.parametrize(("full", "factors"), [(0, (1,)), (48, (0,)), (48, (2, -1))])
def test_impossible_sizes_are_refused(full, factors):
    with pytest.raises(InputSpecError, match="impossible size"):
        paper_sizes(full, factors)


@pytest.mark.parametrize("size", EVALUATION_SIZES)
@pytest.mark.parametrize("shape", [(48, 48), (48, 48, 3), (2, 60, 48, 1)])
def test_shrinking_is_the_bicubic_of_the_core(shape, size):
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    np.testing.assert_array_equal(shrink(images, size), bicubic_resize(images, size))


def test_faces_are_never_enlarged():
    with pytest.raises(InputSpecError, match="expected at most 20 px; found 21 px"):
        shrink(np.zeros((30, 20, 3), np.uint8), 21)
