"""Cameras at this machine, through OpenCV."""

from __future__ import annotations

from collections.abc import Generator

import cv2
import numpy as np

from ...core.errors import SourceError
from .live import Connection
from .source import TimedImage


def connect_camera(device: int, name: str) -> Connection:
    """Open a camera.

    Args:
        device: Its number, as in ``/dev/video0``.
        name: How to speak of it.

    Raises:
        SourceError: It cannot be opened.
    """
    capture = cv2.VideoCapture(device)
    if not capture.isOpened():
        capture.release()
        raise SourceError(f"cannot open {name}", fix="check that it is plugged in and that no other program uses it")
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # the driver's own queue would only hold old frames
    return Connection(_images(capture, name))


def _images(capture: cv2.VideoCapture, name: str) -> Generator[TimedImage, None, None]:
    try:
        while True:
            is_read, image_bgr = capture.read()
            if not is_read:
                raise SourceError(f"{name} gives no more frames")
            # The time stamps of OpenCV's camera back ends count from different moments, so arrival has to do.
            yield TimedImage(np.asarray(cv2.cvtColor(image_bgr, cv2.COLOR_BGR2RGB), np.uint8), None)
    finally:
        capture.release()
