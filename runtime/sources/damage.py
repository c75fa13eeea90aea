"""Which frames of a stream are damaged, or build on damaged ones."""

from __future__ import annotations

from .completeness import is_complete

_MAX_HELD_S = 2.0


class DamageGate:
    """Holds frames back from damage to the next key frame.

    All frames up to there build on what is damaged or missing. Streams that refresh their picture bit by bit have no
    key frames, and have mended most of it after 2 s, when the gate opens in any case.
    """

    def __init__(self) -> None:
        self._is_closed = False
        self._since_s: float | None = None

    def close(self) -> None:
        """Hold back what comes next: something is damaged or missing."""
        self._is_closed, self._since_s = True, None

    def holds_back(self, time_s: float, *, is_key: bool) -> bool:
        """Tell whether a frame, which is whole itself, is to be left out.

        Args:
            time_s: When it was captured, on any clock.
            is_key: Whether it builds on no other frame.
        """
        if not self._is_closed:
            return False
        self._since_s = time_s if self._since_s is None else self._since_s
        self._is_closed = not is_key and 0 <= time_s - self._since_s < _MAX_HELD_S
        return self._is_closed


class CutOffJpegs:
    """Tells the cut-off pictures of a Motion JPEG stream, which FFmpeg paints to the end without a word.

    Some cameras never write the end of a picture, so a picture counts as cut off only after a whole one was seen.
    """

    def __init__(self) -> None:
        self._has_ends = False

    def is_cut_off(self, picture: bytes) -> bool:
        """Tell whether the end of a picture is missing."""
        is_whole = is_complete(picture)
        self._has_ends = self._has_ends or is_whole
        return self._has_ends and not is_whole
