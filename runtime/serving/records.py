"""Plain values for JSON: the history and the expressions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..sinks.palette import palette_for
from .history import Second

_DIGITS = 5


def history_record(seconds: Sequence[Second], *, with_faces: bool) -> dict[str, Any]:
    """Return the history as columns of equal length, oldest first.

    Args:
        seconds: The history.
        with_faces: Say how many faces there were; else null.
    """
    return {
        "time_s": [round(second.time_s, 3) for second in seconds],
        "frames_per_s": [rounded(second.frames_per_s) for second in seconds],
        "faces_per_s": [rounded(second.faces_per_s) for second in seconds] if with_faces else None,
        "drops_per_s": [rounded(second.drops_per_s) for second in seconds],
        "age_p50_s": [rounded(second.age_p50_s) for second in seconds],
        "age_p95_s": [rounded(second.age_p95_s) for second in seconds],
        "pending_frames": [second.pending_frames for second in seconds],
    }


def label_records(labels: Sequence[str]) -> list[dict[str, str]]:
    """Return the expressions with the colours that they have in pictures, ``#rrggbb``."""
    return [
        {"name": name, "color": "#{:02x}{:02x}{:02x}".format(*color)} for name, color in palette_for(labels).items()
    ]


def rounded(value: float | None) -> float | None:
    """Return a number to five digits behind the point."""
    return None if value is None else round(value, _DIGITS)
