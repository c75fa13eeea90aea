"""What is written around a picture: where and when it is from, what its colours mean."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Mapping

import numpy as np

from ..frame import Frame
from .palette import Color
from .pen import Pen, Uint8Array

_DARK: Color = (24, 24, 24)
_LIGHT: Color = (235, 235, 235)


def draw_caption(canvas: Uint8Array, frame: Frame, pen: Pen) -> tuple[int, int, int, int]:
    """Write a frame's source and time into the upper left corner, and return the rectangle that this takes."""
    text = _fitting(f"{frame.source}  {_clock_text(frame)}", canvas.shape[1], pen)
    return pen.write_label(canvas, text, (0, 0), _DARK, _LIGHT)


def footer(width: int, faces: int, colors: Mapping[str, Color], pen: Pen) -> Uint8Array:
    """Return a strip that says what the colours mean and how many faces there are: uint8 (rows, width, 3), RGB."""
    _, ascent, descent = pen.text_size("Mg")
    strip = np.full((ascent + descent + 4 * pen.padding, width, 3), _DARK, np.uint8)
    baseline, gap = 2 * pen.padding + ascent, 4 * pen.padding
    summary = f"{faces} face{'' if faces == 1 else 's'}"
    right = width - gap - pen.text_size(summary)[0]
    if right >= gap:
        pen.write(strip, summary, (right, baseline), _LIGHT)
    left = gap
    for label, color in colors.items():
        end = left + ascent + pen.padding + pen.text_size(label)[0]
        if end + gap > right:
            break
        strip[baseline - ascent : baseline + 1, left : left + ascent + 1] = color
        pen.write(strip, label, (left + ascent + pen.padding, baseline), _LIGHT)
        left = end + gap
    return strip


def _clock_text(frame: Frame) -> str:
    if frame.is_live:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(frame.time_s))
    seconds, hundredths = divmod(round(100 * frame.time_s), 100)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}.{hundredths:02d}"


def _fitting(text: str, width: int, pen: Pen) -> str:
    """Shorten a text at its begin, since sources differ at their ends, until it fits; OpenCV's letters are ASCII."""
    text = text.encode("ascii", "replace").decode("ascii")
    if pen.label_size(text)[0] <= width:
        return text
    cut = bisect_left(range(len(text)), True, key=lambda cut: pen.label_size(f"...{text[cut:]}")[0] <= width)
    return f"...{text[cut:]}"
