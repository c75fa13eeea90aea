"""A video file that behaves like a camera: it shows its frames when they are due, again and again."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import av.error

from ...core.errors import SourceError, UsageError
from ..frame import Clock, Frame
from .decoding import decoded_images, opened, reason_of
from .settings import SourceSettings
from .source import TimedImage, framed
from .unconnected import UnconnectedSource


class ReplaySource(UnconnectedSource):
    """Plays a video for ever at a fixed rate, for measurements without a camera.

    Like a camera it waits for nobody: its frames are live, and each counts as captured when it was due, so that a frame
    which is decoded late is old. Decoding costs what it costs for a camera with such frames. Every frame of the file is
    shown, whatever the file's own rate is.

    Args:
        path: The video.
        name: How to speak of it.
        fps: Frames a second.
        phase: Part of an interval, 0 to 1, by which its frames come later: cameras are not in step.
        skip: Frames of the file that are passed over at the beginning: cameras do not see the same.
        settings: What travels with each frame.

    Raises:
        UsageError: The rate or the phase is impossible.
    """

    def __init__(
        self,
        path: Path,
        name: str,
        fps: float,
        *,
        phase: float = 0.0,
        skip: int = 0,
        settings: SourceSettings | None = None,
    ) -> None:
        super().__init__(name, settings)
        if not (0 < fps <= 1000 and 0 <= phase <= 1 and skip >= 0):
            raise UsageError(
                "impossible replay",
                expected="a rate from 0 to 1000, a phase from 0 to 1, no less than 0 frames passed over",
                found=f"{fps}, {phase}, {skip}",
            )
        self._path = path
        self._fps = fps
        self._phase = phase
        self._skip = skip
        self._epoch_s = 0.0

    def frames(self, stop: threading.Event) -> Generator[Frame, None, None]:
        """Give the frames; see :class:`~fsrfer.runtime.sources.source.FrameSource`.

        Raises:
            SourceError: The file is missing or damaged, or has no video.
        """
        self._epoch_s = time.time() - time.monotonic()  # once: frames are exactly an interval apart
        start_s: float | None = None
        shown, passed_over = 0, self._skip
        while not stop.is_set():
            before = shown
            with closing(self._images()) as images:
                for _ in itertools.islice(images, passed_over):
                    pass
                if start_s is None:
                    start_s = time.monotonic() + self._phase / self._fps
                while not stop.wait(max(start_s + shown / self._fps - time.monotonic(), 0.0)):
                    timed = next((image for image in images if image is not None), None)
                    if timed is None:
                        break
                    yield self._framed(timed, shown, start_s + shown / self._fps)
                    shown += 1
            if shown == before and not (stop.is_set() or passed_over):
                raise SourceError(f"the video {self._name} has no frame")
            passed_over = 0

    def _images(self) -> Generator[TimedImage | None, None, None]:
        try:
            with opened(f"file:{self._path}", options={}) as container:
                yield from decoded_images(
                    container, self._name, is_live=True, settings=self._settings, counters=self._counters
                )
        except av.error.FFmpegError as problem:
            raise SourceError(
                f"cannot read the video {self._name}", found=reason_of(problem), fix="check that other players open it"
            ) from None

    def _framed(self, timed: TimedImage, index: int, due_s: float) -> Frame:
        return framed(
            *(self._name, index, due_s + self._epoch_s, Clock.WALL, timed.image, self._settings),
            decoding_s=timed.decoding_s,
        )
