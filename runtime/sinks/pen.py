"""Lines and letters of a size that suits the picture."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from .palette import Color

Uint8Array = npt.NDArray[np.uint8]

REFERENCE_WIDTH = 960
"""Columns of a canvas on which lines and letters have their least sizes."""

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_RIM: Color = (0, 0, 0)
_SMALL_BOX = 28  # a box with a shorter side is drawn around the face, with the thinnest line


@dataclass(frozen=True)
class Pen:
    """Sizes that suit a canvas: they grow with it, but slower, as larger frames hold more faces.

    Attributes:
        font_scale: Of OpenCV's letters.
        stroke: Width of their lines in pixels.
        box_line: Width of the lines of a box.
        padding: Space around text.
    """

    font_scale: float
    stroke: int
    box_line: int
    padding: int

    @classmethod
    def for_width(cls, width: int) -> Pen:
        """Return the pen for a canvas of so many columns."""
        ratio = max(width / REFERENCE_WIDTH, 1.0) ** 0.5
        return cls(0.42 * ratio, max(round(0.9 * ratio), 1), max(round(2 * ratio), 2), max(round(3 * ratio), 2))

    def text_size(self, text: str) -> tuple[int, int, int]:
        """Return width, height above the base line and height below it."""
        (width, ascent), descent = cv2.getTextSize(text, _FONT, self.font_scale, self.stroke)
        return width, ascent, descent // 2

    def label_size(self, text: str) -> tuple[int, int]:
        """Return width and height of a text with the space around it."""
        width, ascent, descent = self.text_size(text)
        return width + 2 * self.padding, ascent + descent + 2 * self.padding

    def write(self, canvas: Uint8Array, text: str, place: tuple[int, int], color: Color) -> None:
        """Write a text; its base line begins at the place."""
        cv2.putText(canvas, text, place, _FONT, self.font_scale, color, self.stroke, cv2.LINE_AA)

    def write_label(
        self, canvas: Uint8Array, text: str, corner: tuple[int, int], color: Color, ink: Color
    ) -> tuple[int, int, int, int]:
        """Write a text on a filled rectangle with a given upper left corner; return the rectangle."""
        (left, top), (width, height) = corner, self.label_size(text)
        cv2.rectangle(canvas, (left, top), (left + width - 1, top + height - 1), color, cv2.FILLED)
        _, ascent, _ = self.text_size(text)
        self.write(canvas, text, (left + self.padding, top + self.padding + ascent), ink)
        return left, top, left + width, top + height

    def box(self, canvas: Uint8Array, box: tuple[int, int, int, int], color: Color) -> None:
        """Draw a box around a face, the line outside of it where the face is small."""
        x0, y0, x1, y1 = box
        line, gap = (2, 2) if min(x1 - x0, y1 - y0) < _SMALL_BOX else (self.box_line, 0)
        ends = (x0 - gap, y0 - gap), (x1 + gap, y1 + gap)
        # A dark rim keeps bright colours visible on bright backgrounds.
        cv2.rectangle(canvas, *ends, _RIM, line + 2)
        cv2.rectangle(canvas, *ends, color, line)

    def corners(self, canvas: Uint8Array, box: tuple[int, int, int, int], color: Color) -> None:
        """Draw only the corners of a box: for a face that was not seen but follows from its motion."""
        x0, y0, x1, y1 = box[0] - 1, box[1] - 1, box[2] + 1, box[3] + 1
        arm_x, arm_y = max((x1 - x0) // 4, 3), max((y1 - y0) // 4, 3)
        lines = [
            np.array([(x, y + down * arm_y), (x, y), (x + right * arm_x, y)], np.int32)
            for x, right in ((x0, 1), (x1, -1))
            for y, down in ((y0, 1), (y1, -1))
        ]
        cv2.polylines(canvas, lines, False, _RIM, 4)
        cv2.polylines(canvas, lines, False, color, 2)
