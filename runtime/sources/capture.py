"""Pictures of a capture that OpenCV opened."""

from __future__ import annotations

import time
from collections.abc import Generator

import cv2
import numpy as np

from ...core.errors import SourceError
from .counters import SourceCounters
from .rate_cap import RateCap
from .source import TimedImage


def captured_images(
    capture: cv2.VideoCapture, name: str, max_fps: float | None, counters: SourceCounters
) -> Generator[TimedImage | None, None, None]:
    """Read an open capture, and release it at the end.

    Args:
        capture: A camera, or a pipeline.
        name: How to speak of it; holds no credentials.
        max_fps: Most frames a second; those above it are neither decoded nor converted.
        counters: Count what is left out.

    Yields:
        The images, without time stamps: those of OpenCV's back ends count from different moments, so arrival has to
        do. None for each that the cap on the rate left out.

    Raises:
        SourceError: No further frame can be had.
    """
    cap = RateCap(max_fps)
    try:
        while capture.grab():
            if not cap.admits(time.monotonic()):
                counters.skipped += 1
                yield None
                continue
            begin_s = time.monotonic()
            is_read, image_bgr = capture.retrieve()
            if is_read:
                image = np.asarray(cv2.cvtColor(image_bgr, cv2.COLOR_BGR2RGB), np.uint8)
                yield TimedImage(image, None, (begin_s, time.monotonic()))
            else:
                counters.note_decode_error()
        raise SourceError(f"{name} gives no more frames")
    finally:
        capture.release()
