"""GStreamer pipelines, through an OpenCV that was built with it: decoding by the hardware of a Jetson, say."""

from __future__ import annotations

import importlib
import re

import cv2
import cv2.videoio_registry

from ...core.errors import SourceError
from .capture import captured_images
from .connection import Connection
from .counters import SourceCounters
from .settings import SourceSettings
from .source import RefusedError

_PREFIX = "gst:"
_ONLY_ERRORS = 2
_QUOTED = re.compile(r"""\\.|"[^"]*"?|'[^']*'?""", re.DOTALL)
_LINK = re.compile(r"(?:^|\s)!(?=\s|$)")
_ELEMENT = re.compile(r"[A-Za-z][\w-]*")
# Only the latest picture is kept, and the clock of the pipeline holds none back.
_TAIL = "videoconvert ! video/x-raw,format=BGR ! appsink max-buffers=1 drop=true sync=false"


def is_pipeline(text: str) -> bool:
    """Tell whether a source's text is a pipeline, as in ``gst:v4l2src ! videoconvert``."""
    return text.startswith(_PREFIX)


def redact_pipeline(text: str) -> str:
    """Name the elements of a pipeline without their properties, which may hold passwords."""
    # A value may hold an exclamation mark; one between elements stands alone.
    parts = _LINK.split(_QUOTED.sub("=", text.removeprefix(_PREFIX)))
    first_words = [words[0] for part in parts if (words := part.split())]
    return _PREFIX + " ! ".join(word if _ELEMENT.fullmatch(word) else "***" for word in first_words)


def connect_pipeline(
    text: str, name: str, settings: SourceSettings | None = None, counters: SourceCounters | None = None
) -> Connection:
    """Open a pipeline.

    Args:
        text: ``gst:`` and the pipeline as ``gst-launch-1.0`` takes it. Unless it has an ``appsink``, its end is
            added, which converts to BGR and keeps the latest picture.
        name: How to speak of it; holds no credentials.
        settings: Its cap on the rate.
        counters: Count what is left out.

    Raises:
        RefusedError: OpenCV has no GStreamer.
        SourceError: The pipeline cannot be opened.
    """
    if not cv2.videoio_registry.hasBackend(cv2.CAP_GSTREAMER):
        raise RefusedError(
            f"cannot open {name}",
            expected="an OpenCV that was built with GStreamer",
            found=f"OpenCV {cv2.__version__} without it, as all of PyPI's are",
            fix="use an OpenCV that has it (docs/sources.md), or name the camera by its rtsp:// address",
        )
    _hush_opencv()
    capture = cv2.VideoCapture(_completed(text.removeprefix(_PREFIX)), cv2.CAP_GSTREAMER)
    if not capture.isOpened():
        capture.release()
        raise SourceError(f"cannot open {name}", fix="try the pipeline with gst-launch-1.0")
    settings = settings or SourceSettings()
    return Connection(captured_images(capture, name, settings.max_fps, counters or SourceCounters(name)))


def _completed(pipeline: str) -> str:
    return pipeline if "appsink" in pipeline else f"{pipeline} ! {_TAIL}"


def _hush_opencv() -> None:
    """Let OpenCV say errors only: its warnings repeat what elements say, with the addresses that they were given."""
    # The function moved with OpenCV 5.
    set_level = getattr(cv2, "setLogLevel", None) or importlib.import_module("cv2.utils.logging").setLogLevel
    set_level(_ONLY_ERRORS)
