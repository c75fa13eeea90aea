"""Video files."""

from __future__ import annotations

import threading
from collections.abc import Generator
from pathlib import Path

import av.error

from ...core.errors import SourceError
from ..frame import Frame
from .decoding import decoded_images, opened, reason_of
from .recording import recording_frames
from .settings import SourceSettings
from .unconnected import UnconnectedSource


class VideoFileSource(UnconnectedSource):
    """Gives every frame of a video file, with its presentation time.

    Frames that are damaged are left out, and so are those above the cap on the rate; both are counted, and leave gaps
    in the frames' index.

    Args:
        path: The file.
        name: How to speak of it; the path itself unless something better is known.
        settings: The cap on the rate, and what travels with each frame.
    """

    def __init__(self, path: Path, name: str | None = None, settings: SourceSettings | None = None) -> None:
        super().__init__(str(path) if name is None else name, settings)
        self._path = path

    def frames(self, stop: threading.Event) -> Generator[Frame, None, None]:
        """Give the frames; see :class:`~fsrfer.runtime.sources.source.FrameSource`.

        Raises:
            SourceError: The file is missing or damaged, or has no video.
        """
        try:
            # The prefix keeps FFmpeg from reading a colon in the file's name as a protocol.
            with opened(f"file:{self._path}", options={}) as container:
                images = decoded_images(
                    container, self._name, is_live=False, settings=self._settings, counters=self._counters
                )
                yield from recording_frames(images, self._name, stop, self._settings)
        except av.error.FFmpegError as problem:
            raise SourceError(
                f"cannot read the video {self._name}", found=reason_of(problem), fix="check that other players open it"
            ) from None
