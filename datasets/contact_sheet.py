"""Many faces in one picture."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from ..core.errors import InputSpecError

Uint8Array = npt.NDArray[np.uint8]

_GAP = 4
_CAPTION_HEIGHT = 16
_BACKGROUND = 250


def contact_sheet(
    faces: Sequence[Uint8Array], columns: int, captions: Sequence[str] | None = None, *, cell: int | None = None
) -> Uint8Array:
    """Lay faces out in a grid, row by row.

    Args:
        faces: uint8, each (height, width, 3) RGB or (height, width) grey, of any sizes.
        columns: Faces in a row.
        captions: A short text below each face.
        cell: Side of a cell in pixels; that of the largest face by default. Faces are enlarged to it without smoothing.

    Returns:
        uint8 (height, width, 3), RGB.

    Raises:
        InputSpecError: There is no face, no column, or a caption is missing.
    """
    if not faces or columns < 1 or (captions is not None and len(captions) != len(faces)):
        raise InputSpecError(
            "nothing to lay out", expected="faces, columns, a caption for each face", found=f"{len(faces)} faces"
        )
    side = cell or max(max(face.shape[:2]) for face in faces)
    pitch_x, pitch_y = side + _GAP, side + _GAP + (_CAPTION_HEIGHT if captions is not None else 0)
    rows = -(-len(faces) // columns)
    sheet = np.full((rows * pitch_y + _GAP, columns * pitch_x + _GAP, 3), _BACKGROUND, np.uint8)
    for index, face in enumerate(faces):
        row, column = divmod(index, columns)
        left, top = _GAP + column * pitch_x, _GAP + row * pitch_y
        sheet[top : top + side, left : left + side] = _fitted(face, side)
        if captions is not None:
            _write(sheet, captions[index], left, top + side, side)
    return sheet


def _fitted(face: Uint8Array, side: int) -> Uint8Array:
    color = cv2.cvtColor(face, cv2.COLOR_GRAY2RGB) if face.ndim == 2 else face
    shrinks = max(color.shape[:2]) > side
    flag = cv2.INTER_AREA if shrinks else cv2.INTER_NEAREST
    return np.asarray(cv2.resize(color, (side, side), interpolation=flag), np.uint8)


def _write(sheet: Uint8Array, text: str, left: int, top: int, width: int) -> None:
    font, scale = cv2.FONT_HERSHEY_SIMPLEX, 0.38
    while scale > 0.2 and cv2.getTextSize(text, font, scale, 1)[0][0] > width:
        scale -= 0.02
    cv2.putText(sheet, text, (left, top + 12), font, scale, (40.0, 40.0, 40.0), 1, cv2.LINE_AA)
