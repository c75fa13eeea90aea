"""Cameras at this machine, through OpenCV."""

from __future__ import annotations

import cv2

from ...core.errors import SourceError
from .capture import captured_images
from .connection import Connection
from .counters import SourceCounters
from .settings import SourceSettings


def connect_camera(
    device: int, name: str, settings: SourceSettings | None = None, counters: SourceCounters | None = None
) -> Connection:
    """Open a camera.

    Args:
        device: Its number, as in ``/dev/video0``.
        name: How to speak of it.
        settings: Its cap on the rate.
        counters: Count what is left out.

    Raises:
        SourceError: It cannot be opened.
    """
    capture = cv2.VideoCapture(device)
    if not capture.isOpened():
        capture.release()
        raise SourceError(f"cannot open {name}", fix="check that it is plugged in and that no other program uses it")
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # the driver's own queue would only hold old frames
    settings = settings or SourceSettings()
    return Connection(captured_images(capture, name, settings.max_fps, counters or SourceCounters(name)))
