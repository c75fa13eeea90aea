"""Frames of recordings, whose time counts from their first frame."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import closing

from ..frame import Clock, Frame
from .source import TimedImage


def recording_frames(
    images: Generator[TimedImage, None, None], name: str, stop: threading.Event
) -> Generator[Frame, None, None]:
    """Number the images of a recording and count their time from the first one.

    Args:
        images: What was decoded; closed at the end.
        name: Name of the source.
        stop: Asks to end early.
    """
    first_s: float | None = None
    time_s = 0.0
    with closing(images):
        for index, timed in enumerate(images):
            if stop.is_set():
                return
            if timed.stream_time_s is not None:
                first_s = timed.stream_time_s if first_s is None else first_s
                time_s = timed.stream_time_s - first_s
            yield Frame(name, index, time_s, Clock.STREAM, timed.image)
