"""Progress of a running pipeline, on a terminal."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console

from ..runtime.results import FrameResult

_INTERVAL_S = 0.5


class ProgressSink:
    """Shows how many frames and faces have gone by.

    Args:
        console: A terminal.
    """

    def __init__(self, console: Console) -> None:
        self._status = console.status("waiting for the first frame")
        self._frames = 0
        self._faces = 0
        self._started_s = time.monotonic()
        self._next_s = self._started_s

    def write(self, result: FrameResult) -> None:
        """Count one frame."""
        self._frames += 1
        self._faces += len(result)
        now_s = time.monotonic()
        if now_s >= self._next_s:
            rate = self._frames / max(now_s - self._started_s, _INTERVAL_S)
            self._status.update(f"{self._frames} frames, {self._faces} faces, {rate:.1f} frames/s")
            self._next_s = now_s + _INTERVAL_S

    def __enter__(self) -> ProgressSink:
        self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._status.stop()
