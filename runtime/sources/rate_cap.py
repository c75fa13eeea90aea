"""Fewer frames than a source gives."""

from __future__ import annotations

import math


class RateCap:
    """Lets through at most so many frames a second, evenly spread.

    Frames are due at even intervals, and each may come half an interval early or late without moving the next one (the
    generic cell rate algorithm of ITU-T I.371, with a tolerance on both sides). So neither jitter nor a rate that the
    cap does not divide lowers the mean, and a source that pauses does not catch up in a burst.

    Args:
        max_fps: Frames a second; None lets all pass.
    """

    def __init__(self, max_fps: float | None) -> None:
        self._interval_s = None if max_fps is None else 1.0 / max_fps
        self._due_s: float | None = None
        self._last_s = -math.inf

    def admits(self, time_s: float) -> bool:
        """Tell whether a frame passes.

        Args:
            time_s: When it was captured, on any clock; one that jumps back begins anew.
        """
        if self._interval_s is None:
            return True
        half_s = self._interval_s / 2
        # A due time lies at most one interval and a half after the frame that set it.
        if self._due_s is None or self._due_s - time_s > 2 * self._interval_s:
            self._due_s, self._last_s = time_s, -math.inf
        if time_s < self._due_s - half_s or time_s < self._last_s + half_s:
            return False
        self._due_s, self._last_s = max(self._due_s, time_s - half_s) + self._interval_s, time_s
        return True
