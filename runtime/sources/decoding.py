"""Decoding by FFmpeg (PyAV), for files and streams alike."""

from __future__ import annotations

import logging
from collections.abc import Generator
from typing import Any

import av
import av.container
import av.error
import av.video.stream
import cv2
import numpy as np
import numpy.typing as npt

from ...core.errors import SourceError
from .source import TimedImage

_LOGGER = logging.getLogger(__name__)

_TURNS = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}


def reason_of(problem: av.error.FFmpegError) -> str:
    """Return why FFmpeg failed. The error's own text is unfit: it repeats the address, password and all."""
    return problem.strerror or type(problem).__name__


def decoded_images(
    container: av.container.InputContainer, name: str, *, is_live: bool
) -> Generator[TimedImage, None, None]:
    """Decode the first video stream of an open container.

    A packet that cannot be decoded is left out, and all of them are reported together at the end.

    Args:
        container: What to decode.
        name: How to speak of it; holds no credentials.
        is_live: Decode for low latency instead of throughput.

    Raises:
        SourceError: It has no video stream, or none of its packets could be decoded.
        av.error.FFmpegError: Reading failed.
    """
    if not container.streams.video:
        raise SourceError(f"{name} has no video", found=f"{len(container.streams)} streams of other kinds")
    stream = container.streams.video[0]
    stream.thread_type = "SLICE" if is_live else "AUTO"  # threads that share frames out hold one back each
    decoded, broken = 0, 0
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            broken += 1
            continue
        for frame in frames:
            decoded += 1
            yield TimedImage(_upright_rgb(frame), frame.time)
    if broken and not decoded:
        raise SourceError(f"{name} cannot be decoded", found=f"{broken} broken packets and not one whole frame")
    if broken:
        _LOGGER.warning("%s: left out %d packets that could not be decoded", name, broken)


def _upright_rgb(frame: av.VideoFrame) -> npt.NDArray[np.uint8]:
    image = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
    turn = _TURNS.get(round(frame.rotation) % 360)  # telephones store portrait videos lying on their side
    return image if turn is None else np.asarray(cv2.rotate(image, turn), np.uint8)


def opened(location: str, *, options: dict[str, str], timeout_s: float | None) -> av.container.InputContainer:
    """Open a file or an address.

    Args:
        location: Path or address.
        options: FFmpeg's options.
        timeout_s: Longest time without data; None waits for ever.

    Raises:
        av.error.FFmpegError: It cannot be opened.
    """
    # FFmpeg notices the end of the time only after a second wait of the same length.
    half = None if timeout_s is None else timeout_s / 2
    container: av.container.InputContainer = av.open(location, options=options, timeout=half, **_metadata_options())
    return container


def _metadata_options() -> dict[str, Any]:
    # Up to version 18, PyAV refuses to open files whose titles are not UTF-8; from 19 on it always reads them.
    return {"metadata_errors": "replace"} if int(av.__version__.partition(".")[0]) < 19 else {}
