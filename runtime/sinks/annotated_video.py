"""Annotated videos, one a source."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from datetime import datetime, timezone
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import cast

import av
import av.error
import cv2
import numpy as np
import numpy.typing as npt

from ...core.errors import BackendUnavailableError, UsageError
from ...core.files import atomic_path
from ..frame import Clock, Frame
from ..results import FrameResult
from .drawing import annotate
from .face_blur import FaceBlur
from .output_names import OutputNames

_LOGGER = logging.getLogger(__name__)

VIDEO_OUTPUT_SUFFIXES = frozenset({".mkv", ".mov", ".mp4"})

_TIME_BASE = Fraction(1, 90_000)
_NOMINAL_RATE = 25  # for the encoder's rate control only: every frame carries its own time


class AnnotatedVideoSink:
    """Writes H.264 videos with boxes, expressions, confidences and, where faces are followed, tracks drawn in.

    Frames keep their times. A file appears under its name when it is complete: when its segment is over, or the sink is
    left normally; until then, and after an error, there is nothing.

    Args:
        path: The video; with several sources their names go before its suffix.
        is_single: Whether there is a single source; with several, each frame says where and when it is from. Sources
            that are added to a single one get their names as well.
        blur_faces: Make the faces that were found unrecognisable.
        segment_s: Begin another file after so many seconds; when it begins goes before its suffix, in UTC for live
            sources. None keeps one file a source.

    Raises:
        UsageError: The suffix is not that of a video, or a segment is shorter than a second.
    """

    def __init__(
        self, path: Path, *, is_single: bool = True, blur_faces: bool = False, segment_s: float | None = None
    ) -> None:
        if segment_s is not None and not segment_s >= 1.0:
            raise UsageError("impossible segments of videos", expected="1 s or more", found=f"{segment_s} s")
        if path.suffix.lower() not in VIDEO_OUTPUT_SUFFIXES:
            raise UsageError(
                f"cannot write annotated video to {path}",
                expected=f"a path ending in {', '.join(sorted(VIDEO_OUTPUT_SUFFIXES))}",
            )
        self._names = OutputNames(path, is_single=is_single)
        self._blur = FaceBlur() if blur_faces else None
        self._segment_s = segment_s
        self._videos: dict[str, _OpenVideo] = {}

    def write(self, result: FrameResult) -> None:
        """Draw one frame and encode it."""
        shown = result if self._blur is None else self._blur.blurred(result)
        source, time_s = result.frame.source, result.frame.time_s
        image = annotate(shown, caption=not self._names.has_the_path_itself(source))
        video = self._videos.get(source)
        if video is not None and self._is_over(video, time_s):
            self._videos.pop(source).close()
            video = None
        if video is None:
            video = self._videos[source] = _OpenVideo(self._path_for(result.frame), image, time_s)
        video.encoder.encode(image, time_s)

    def __enter__(self) -> AnnotatedVideoSink:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        files = ExitStack()
        for video in self._videos.values():
            files.push(video.files)
        self._videos.clear()
        files.__exit__(kind, error, trace)

    def _is_over(self, video: _OpenVideo, time_s: float) -> bool:
        return self._segment_s is not None and not 0.0 <= time_s - video.start_s < self._segment_s

    def _path_for(self, frame: Frame) -> Path:
        path = self._names.path_for(frame.source)
        if self._segment_s is None:
            return path
        return path.with_name(f"{path.stem}-{_beginning(frame)}{path.suffix}")


class _OpenVideo:
    """A file that is being written; it begins with an image at a time."""

    def __init__(self, path: Path, image: npt.NDArray[np.uint8], start_s: float) -> None:
        self.start_s = start_s
        with ExitStack() as stack:
            temporary = stack.enter_context(atomic_path(path))
            self.encoder = stack.enter_context(_VideoEncoder(temporary, image.shape[1], image.shape[0]))
            self.files = stack.pop_all()

    def close(self) -> None:
        """Complete the file."""
        self.files.close()


class _VideoEncoder:
    """One video; its size is that of the first frame, made even as 4:2:0 chroma needs it."""

    def __init__(self, path: Path, width: int, height: int) -> None:
        codec, options = _codec()
        self._container = av.open(str(path), "w", options={"movflags": "+faststart"})
        stream = self._container.add_stream(codec, rate=_NOMINAL_RATE, options=options)
        self._stream = cast("av.VideoStream", stream)
        self._stream.width, self._stream.height = width + width % 2, height + height % 2
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.time_base = _TIME_BASE
        self._first_s: float | None = None
        self._last_pts = -1

    def encode(self, image: npt.NDArray[np.uint8], time_s: float) -> None:
        """Append a frame; its time counts from that of the first one."""
        self._first_s = time_s if self._first_s is None else self._first_s
        pts = max(round((time_s - self._first_s) / _TIME_BASE), self._last_pts + 1)
        self._last_pts = pts
        frame = av.VideoFrame.from_ndarray(_fitted(image, self._stream.width, self._stream.height), format="rgb24")
        frame.pts, frame.time_base = pts, _TIME_BASE
        self._container.mux(self._stream.encode(frame))

    def __enter__(self) -> _VideoEncoder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._container:
            if kind is None:
                self._container.mux(self._stream.encode(None))


def _beginning(frame: Frame) -> str:
    if frame.clock is Clock.WALL:
        return datetime.fromtimestamp(frame.time_s, timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    minutes, seconds = divmod(int(frame.time_s), 60)
    return f"{minutes // 60:02d}h{minutes % 60:02d}m{seconds:02d}s"


def _codec() -> tuple[str, dict[str, str]]:
    if "libx264" in av.codec.codecs_available:
        return "libx264", {"crf": "20", "preset": "veryfast"}
    if "mpeg4" not in av.codec.codecs_available:
        raise BackendUnavailableError(
            "this FFmpeg can encode neither H.264 nor MPEG-4", fix="pip install --force-reinstall av"
        )
    _LOGGER.warning("this FFmpeg has no libx264: annotated videos are MPEG-4 part 2, which browsers do not play")
    return "mpeg4", {"qscale": "4"}


def _fitted(image: npt.NDArray[np.uint8], width: int, height: int) -> npt.NDArray[np.uint8]:
    """Bring a frame to the video's size: cameras change theirs when they come back, and videos cannot."""
    rows, columns = image.shape[:2]
    scale = min(width / columns, height / rows)
    if abs(columns - width) > 1 or abs(rows - height) > 1:
        columns, rows = max(int(columns * scale), 1), max(int(rows * scale), 1)
        image = np.asarray(cv2.resize(image, (columns, rows), interpolation=cv2.INTER_AREA), np.uint8)
    if (columns, rows) == (width, height):
        return image
    padded = cv2.copyMakeBorder(image, 0, height - rows, 0, width - columns, cv2.BORDER_CONSTANT)
    return np.asarray(padded, np.uint8)
