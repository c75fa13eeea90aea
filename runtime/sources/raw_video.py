"""Bare frames from a pipe: what ``ffmpeg -f rawvideo`` writes, or a program that has the pixels at hand."""

from __future__ import annotations

import os
import re
import select
import threading
import time
from collections.abc import Generator
from dataclasses import dataclass
from enum import Enum

import cv2
import numpy as np
import numpy.typing as npt

from ...core.errors import SourceError
from ..frame import Clock, Frame
from .rate_cap import RateCap
from .settings import SourceSettings
from .source import framed
from .unconnected import UnconnectedSource

_TEXT = re.compile(r"raw:(?P<width>\d+)x(?P<height>\d+):(?P<format>\w+)@(?P<fps>[\d.]+)(?P<live>:live)?", re.ASCII)
_FORM = "raw:WIDTHxHEIGHT:FORMAT@FPS, as in raw:640x480:rgb24@25, with :live at the end where frames do not wait"
_POLL_MS = 100
_MAX_SIDE = 16_384


class PixelFormat(str, Enum):
    """How the pixels of a bare frame lie, by FFmpeg's names."""

    RGB24 = "rgb24"
    BGR24 = "bgr24"
    GRAY = "gray"
    YUV420P = "yuv420p"
    NV12 = "nv12"
    YUYV422 = "yuyv422"


# Rows and channels of a frame of height h, in h; conversion to RGB. The YUV formats are those of BT.601, limited range.
_LAYOUTS = {
    PixelFormat.RGB24: (2, 3, None),
    PixelFormat.BGR24: (2, 3, cv2.COLOR_BGR2RGB),
    PixelFormat.GRAY: (2, 1, cv2.COLOR_GRAY2RGB),
    PixelFormat.YUV420P: (3, 1, cv2.COLOR_YUV2RGB_I420),
    PixelFormat.NV12: (3, 1, cv2.COLOR_YUV2RGB_NV12),
    PixelFormat.YUYV422: (2, 2, cv2.COLOR_YUV2RGB_YUYV),
}


@dataclass(frozen=True)
class RawVideoFormat:
    """What the frames of a pipe look like.

    Attributes:
        width: Columns.
        height: Rows.
        pixels: How they lie.
        fps: Frames a second, from which a recording has its time stamps.
        is_live: The writer does not wait: only the latest frame counts, and its time is when it came.
    """

    width: int
    height: int
    pixels: PixelFormat
    fps: float
    is_live: bool

    @classmethod
    def parse(cls, text: str) -> RawVideoFormat:
        """Understand ``raw:640x480:rgb24@25``.

        Raises:
            SourceError: It is malformed, or such frames are impossible.
        """
        found = _TEXT.fullmatch(text)
        try:
            if found is None:
                raise ValueError
            pixels, fps = PixelFormat(found["format"]), float(found["fps"])
        except ValueError:
            names = ", ".join(pixels.value for pixels in PixelFormat)
            raise SourceError(f"cannot understand {text}", expected=f"{_FORM}; one of {names}") from None
        return cls(int(found["width"]), int(found["height"]), pixels, fps, found["live"] is not None)

    def __post_init__(self) -> None:
        halves_rows = self.pixels in (PixelFormat.YUV420P, PixelFormat.NV12)
        halves_columns = halves_rows or self.pixels is PixelFormat.YUYV422
        is_even = not (halves_rows and self.height % 2) and not (halves_columns and self.width % 2)
        if not (0 < self.width <= _MAX_SIDE and 0 < self.height <= _MAX_SIDE and self.fps > 0 and is_even):
            raise SourceError(
                "impossible bare frames",
                expected=f"sides from 1 to {_MAX_SIDE}, even where colours have half the resolution, a rate above 0",
                found=f"{self.width} x {self.height} {self.pixels.value} at {self.fps:g} a second",
            )

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the bytes of one frame, as OpenCV takes them."""
        half_rows, channels, _ = _LAYOUTS[self.pixels]
        shape = (self.height * half_rows // 2, self.width)
        return shape if channels == 1 else (*shape, channels)

    def to_rgb(self, data: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Convert one frame.

        Args:
            data: uint8 of :attr:`shape`.

        Returns:
            uint8 (height, width, 3), RGB; the input itself where it is that already.
        """
        conversion = _LAYOUTS[self.pixels][2]
        return data if conversion is None else np.asarray(cv2.cvtColor(data, conversion), np.uint8)


class RawVideoSource(UnconnectedSource):
    """Gives the bare frames that come through a pipe.

    It waits for them as long as it takes: a pipe that is silent is a writer that has nothing to say.

    Args:
        video: What they look like.
        name: How to speak of the source.
        settings: The cap on the rate, and what travels with each frame.
        descriptor: Of the pipe, which stays open; the standard input unless given.
    """

    def __init__(
        self,
        video: RawVideoFormat,
        name: str,
        settings: SourceSettings | None = None,
        descriptor: int = 0,
    ) -> None:
        super().__init__(name, settings)
        self._video = video
        self._descriptor = descriptor

    def frames(self, stop: threading.Event) -> Generator[Frame, None, None]:
        """Give the frames; see :class:`~fsrfer.runtime.sources.source.FrameSource`.

        Raises:
            SourceError: The pipe ends in the middle of a frame.
        """
        video, cap = self._video, RateCap(self._settings.max_fps)
        clock = Clock.WALL if video.is_live else Clock.STREAM
        index = 0
        while (data := self._read(index, stop)) is not None:
            stream_time_s = index / video.fps
            if cap.admits(time.monotonic() if video.is_live else stream_time_s):
                time_s = time.time() if video.is_live else stream_time_s
                yield framed(self._name, index, time_s, clock, video.to_rgb(data), self._settings)
            else:
                self._counters.skipped += 1
            index += 1

    def _read(self, index: int, stop: threading.Event) -> npt.NDArray[np.uint8] | None:
        data = np.empty(self._video.shape, np.uint8)
        room = data.data.cast("B")
        try:
            filled = _fill(room, self._descriptor, stop)
        except OSError as problem:
            raise SourceError(f"cannot read {self._name}", found=problem.strerror) from problem
        if 0 < filled < len(room) and not stop.is_set():
            raise SourceError(
                f"{self._name} ends in the middle of frame {index}",
                expected=f"{len(room)} bytes a frame",
                found=filled,
                fix="check width, height and format of the frames",
            )
        return data if filled == len(room) else None


def _fill(room: memoryview, descriptor: int, stop: threading.Event) -> int:
    """Read until a buffer is full, the pipe ends, or one asks to stop; return the number of bytes."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    filled = 0
    while filled < len(room) and not stop.is_set():
        if poll.poll(_POLL_MS):
            count = os.readv(descriptor, [room[filled:]])
            if not count:
                break
            filled += count
    return filled
