"""Frames with boxes, expressions and confidences drawn on them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from ..results import FrameResult
from .label_layout import LabelLayout, Rectangle
from .palette import UNKNOWN_COLOR, Color, ink_on, palette_for

Uint8Array = npt.NDArray[np.uint8]

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_REFERENCE_WIDTH = 960
_LARGEST_ENLARGEMENT = 6
_FOOTER_COLOR: Color = (24, 24, 24)
_FOOTER_INK: Color = (235, 235, 235)


@dataclass(frozen=True)
class _Pen:
    """Sizes that suit a canvas: they grow with it, but slower, as larger frames hold more faces."""

    font_scale: float
    stroke: int
    box_line: int
    padding: int

    @classmethod
    def for_width(cls, width: int) -> _Pen:
        ratio = max(width / _REFERENCE_WIDTH, 1.0) ** 0.5
        return cls(0.42 * ratio, max(round(0.9 * ratio), 1), max(round(2 * ratio), 2), max(round(3 * ratio), 2))

    def text_size(self, text: str) -> tuple[int, int, int]:
        """Return width, height above the base line and height below it."""
        (width, ascent), descent = cv2.getTextSize(text, _FONT, self.font_scale, self.stroke)
        return width, ascent, descent // 2

    def label_size(self, text: str) -> tuple[int, int]:
        width, ascent, descent = self.text_size(text)
        return width + 2 * self.padding, ascent + descent + 2 * self.padding

    def write(self, canvas: Uint8Array, text: str, place: tuple[int, int], color: Color) -> None:
        cv2.putText(canvas, text, place, _FONT, self.font_scale, color, self.stroke, cv2.LINE_AA)


def annotate(result: FrameResult, *, min_width: int = _REFERENCE_WIDTH) -> Uint8Array:
    """Draw a result on a copy of its frame.

    A frame narrower than ``min_width`` is enlarged by a whole factor first, or the text would dwarf the faces. Where
    a crowd leaves no room, a label is shortened, then left out: the colour of the box remains, and a footer below the
    frame says what the colours mean.

    Args:
        result: What to draw.
        min_width: Columns that the result should at least have.

    Returns:
        uint8 (rows, columns, 3), RGB; taller than the frame by the footer.
    """
    factor = enlargement_for(result.frame.width, min_width)
    canvas = _enlarged_copy(result.frame.image, factor)
    pen = _Pen.for_width(canvas.shape[1])
    colors = palette_for(result.predictions.labels)
    boxes = np.rint(result.boxes * factor).astype(np.int64)
    for face in np.argsort(result.predictions.face_size_px)[::-1].tolist():
        _draw_box(canvas, boxes[face], colors.get(result.predictions.label_of(face), UNKNOWN_COLOR), pen)
    _draw_labels(canvas, result, boxes, colors, pen)
    return np.concatenate([canvas, _footer(canvas.shape[1], result, colors, pen)])


def enlargement_for(width: int, min_width: int) -> int:
    """Return the whole factor, 1 to 6, that brings a frame to at least ``min_width`` columns (or near it)."""
    return min(max(-(-min_width // width), 1), _LARGEST_ENLARGEMENT)


def _enlarged_copy(image: Uint8Array, factor: int) -> Uint8Array:
    if factor == 1:
        return image.copy()
    return np.asarray(cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC), np.uint8)


def _draw_box(canvas: Uint8Array, box: npt.NDArray[np.int64], color: Color, pen: _Pen) -> None:
    x0, y0, x1, y1 = box.tolist()
    # A dark rim keeps bright colours visible on bright backgrounds.
    cv2.rectangle(canvas, (x0, y0), (x1, y1), (0, 0, 0), pen.box_line + 2)
    cv2.rectangle(canvas, (x0, y0), (x1, y1), color, pen.box_line)


def _draw_labels(
    canvas: Uint8Array, result: FrameResult, boxes: npt.NDArray[np.int64], colors: dict[str, Color], pen: _Pen
) -> None:
    layout = LabelLayout(canvas.shape[1], canvas.shape[0], boxes)
    confidences = result.predictions.confidence
    for face in np.argsort(result.predictions.face_size_px)[::-1].tolist():
        label = result.predictions.label_of(face)
        placed = _place(layout, face, _texts(label, float(confidences[face])), pen)
        if placed is not None:
            _draw_label(canvas, *placed, colors.get(label, UNKNOWN_COLOR), pen)


def _texts(label: str, confidence: float) -> tuple[str, ...]:
    percent = f"{confidence:.0%}"
    return (f"{label} {percent}", f"{label[:3]} {percent}", label[:3])


def _place(layout: LabelLayout, face: int, texts: tuple[str, ...], pen: _Pen) -> tuple[str, Rectangle] | None:
    for text in texts:
        place = layout.place(face, pen.label_size(text))
        if place is not None:
            return text, place
    return None


def _draw_label(canvas: Uint8Array, text: str, place: Rectangle, color: Color, pen: _Pen) -> None:
    x0, y0, x1, y1 = place
    cv2.rectangle(canvas, (x0, y0), (x1 - 1, y1 - 1), color, cv2.FILLED)
    _, ascent, _ = pen.text_size(text)
    pen.write(canvas, text, (x0 + pen.padding, y0 + pen.padding + ascent), ink_on(color))


def _footer(width: int, result: FrameResult, colors: dict[str, Color], pen: _Pen) -> Uint8Array:
    _, ascent, descent = pen.text_size("Mg")
    footer = np.full((ascent + descent + 4 * pen.padding, width, 3), _FOOTER_COLOR, np.uint8)
    baseline, gap = 2 * pen.padding + ascent, 4 * pen.padding
    summary = f"{len(result)} face{'' if len(result) == 1 else 's'}"
    right = width - gap - pen.text_size(summary)[0]
    if right >= gap:
        pen.write(footer, summary, (right, baseline), _FOOTER_INK)
    left = gap
    for label, color in colors.items():
        end = left + ascent + pen.padding + pen.text_size(label)[0]
        if end + gap > right:
            break
        cv2.rectangle(footer, (left, baseline - ascent), (left + ascent, baseline), color, cv2.FILLED)
        pen.write(footer, label, (left + ascent + pen.padding, baseline), _FOOTER_INK)
        left = end + gap
    return footer
