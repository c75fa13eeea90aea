"""Frames with boxes, expressions and confidences drawn on them."""

from __future__ import annotations

import cv2
import numpy as np

from ..results import FrameResult
from .label_layout import LabelLayout, Rectangle
from .legend import draw_caption, footer
from .palette import UNKNOWN_COLOR, ink_on, palette_for
from .pen import REFERENCE_WIDTH, Pen, Uint8Array
from .records import is_readable, labels_of

_LARGEST_ENLARGEMENT = 6


def annotate(result: FrameResult, *, min_width: int = REFERENCE_WIDTH, caption: bool = False) -> Uint8Array:
    """Draw a result on a copy of its frame.

    A frame narrower than ``min_width`` is enlarged by a whole factor first, or the text would dwarf the faces. Where
    a crowd leaves no room, a label is shortened, then left out: the colour of the box remains, and a footer below the
    frame says what the colours mean. Of a face that was not detected in this frame, but follows from its motion, only
    the corners of the box are drawn.

    Args:
        result: What to draw.
        min_width: Columns that the result should at least have.
        caption: Write the source and the time into the upper left corner.

    Returns:
        uint8 (rows, columns, 3), RGB; taller than the frame by the footer.
    """
    factor = enlargement_for(result.frame.width, min_width)
    canvas = _enlarged_copy(result.frame.image, factor)
    pen = Pen.for_width(canvas.shape[1])
    colors = palette_for(result.predictions.labels)
    shown = [colors.get(label, UNKNOWN_COLOR) for label in labels_of(result)]
    boxes = np.rint(result.boxes * factor).astype(np.int64)
    layout = LabelLayout(canvas.shape[1], canvas.shape[0], boxes)
    order = np.argsort(result.predictions.face_size_px)[::-1].tolist()
    for face in order:
        is_seen = result.tracks is None or bool(result.tracks.is_detected[face])
        (pen.box if is_seen else pen.corners)(canvas, tuple(boxes[face].tolist()), shown[face])
    if caption:
        layout.reserve(draw_caption(canvas, result.frame, pen))
    texts = _texts(result)
    for face in order:
        placed = _place(layout, face, texts[face], pen)
        if placed is not None:
            text, (left, top, _, _) = placed
            pen.write_label(canvas, text, (left, top), shown[face], ink_on(shown[face]))
    return np.concatenate([canvas, footer(canvas.shape[1], len(result), colors, pen)])


def enlargement_for(width: int, min_width: int) -> int:
    """Return the whole factor, 1 to 6, that brings a frame to at least ``min_width`` columns (or near it)."""
    return min(max(-(-min_width // width), 1), _LARGEST_ENLARGEMENT)


def _enlarged_copy(image: Uint8Array, factor: int) -> Uint8Array:
    if factor == 1:
        return image.copy()
    return np.asarray(cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC), np.uint8)


def _texts(result: FrameResult) -> list[tuple[str, ...]]:
    """Return what may stand at each face, from the longest to the shortest."""
    ids = [None] * len(result) if result.tracks is None else result.tracks.ids.tolist()
    confidences, readable = result.predictions.confidence.tolist(), is_readable(result).tolist()
    texts = []
    for face, label in enumerate(labels_of(result)):
        percent = f" {confidences[face]:.0%}" if readable[face] else ""
        forms = (f"{label}{percent}", f"{label[:3]}{percent}", label[:3])
        texts.append(forms if ids[face] is None else (*(f"#{ids[face]} {form}" for form in forms), f"#{ids[face]}"))
    return texts


def _place(layout: LabelLayout, face: int, texts: tuple[str, ...], pen: Pen) -> tuple[str, Rectangle] | None:
    for text in texts:
        place = layout.place(face, pen.label_size(text))
        if place is not None:
            return text, place
    return None
