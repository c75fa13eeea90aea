"""Sheets of faces."""

from __future__ import annotations

import numpy as np
import pytest

from fsrfer.core.errors import InputSpecError
from fsrfer.datasets.contact_sheet import contact_sheet


def test_faces_stand_in_rows():
    faces = [np.full((10, 10, 3), 10 * index, np.uint8) for index in range(5)]
    sheet = contact_sheet(faces, 3)
    assert sheet.shape == (2 * 14 + 4, 3 * 14 + 4, 3)
    assert sheet[9, 9, 0] == 0
    assert sheet[9, 9 + 14, 0] == 10
    assert sheet[9 + 14, 9, 0] == 30


def test_grey_and_differently_sized_faces_fill_their_cells():
    sheet = contact_sheet([np.full((5, 5), 77, np.uint8), np.full((40, 20, 3), 99, np.uint8)], 2, cell=20)
    assert (sheet[4:24, 4:24] == 77).all()
    assert (sheet[4:24, 28:48] == 99).all()


def test_captions_are_drawn_below():
    face = [np.zeros((40, 40, 3), np.uint8)]
    with_caption, without = contact_sheet(face, 1, ["fear"]), contact_sheet(face, 1)
    assert with_caption.shape[0] == without.shape[0] + 16
    assert (with_caption[45:] < 200).any()


@pytest.mark.parametrize(
    ("faces", "columns", "captions"),
    [([], 1, None), ([np.zeros((4, 4), np.uint8)], 0, None), ([np.zeros((4, 4), np.uint8)], 1, ["a", "b"])],
)
def test_what_cannot_be_laid_out_is_refused(faces, columns, captions):
    with pytest.raises(InputSpecError, match="nothing to lay out"):
        contact_sheet(faces, columns, captions)
