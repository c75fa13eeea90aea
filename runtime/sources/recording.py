"""Frames of recordings, whose time counts from their first frame."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import closing

from ..frame import Clock, Frame
from .settings import SourceSettings
from .source import TimedImage, framed

_MAX_STEP_S = 1.0


class RecordingClock:
    """Maps the time stamps of a recording to the time since its first frame, which never runs backwards.

    Stamps that jump back (clips that were joined, a counter that wrapped) go on from the last frame, one step of the
    last length (of a second at most) later. A jump ahead is time that passed, as in recordings on motion.
    """

    def __init__(self) -> None:
        self._offset_s: float | None = None
        self._last_s = 0.0
        self._step_s = 0.0

    def time_of(self, stream_time_s: float | None) -> float:
        """Return when a frame was shown, in seconds since the first.

        Args:
            stream_time_s: Its time stamp; None where it has none, and the last frame's time is taken.
        """
        if stream_time_s is None:
            return self._last_s
        if self._offset_s is None:
            self._offset_s = -stream_time_s
        time_s = stream_time_s + self._offset_s
        if time_s < self._last_s:
            time_s = self._last_s + self._step_s
            self._offset_s = time_s - stream_time_s
        self._step_s, self._last_s = min(time_s - self._last_s, _MAX_STEP_S), time_s
        return time_s


def recording_frames(
    images: Generator[TimedImage | None, None, None], name: str, stop: threading.Event, settings: SourceSettings
) -> Generator[Frame, None, None]:
    """Number the images of a recording and count their time from the first one.

    Args:
        images: What was decoded, and None for each image that was left out; closed at the end.
        name: Name of the source.
        stop: Asks to end early.
        settings: Travel with each frame.

    Raises:
        SourceError: The region of the settings lies outside a frame.
    """
    clock = RecordingClock()
    with closing(images):
        for index, timed in enumerate(images):
            if stop.is_set():
                return
            if timed is not None:
                time_s = clock.time_of(timed.stream_time_s)
                yield framed(name, index, time_s, Clock.STREAM, timed.image, settings, decoding_s=timed.decoding_s)
