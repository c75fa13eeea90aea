"""Pictures, and folders of them."""

from __future__ import annotations

import threading
from collections.abc import Generator, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from ...core.errors import SourceError
from ..frame import Clock, Frame
from .completeness import is_complete
from .settings import SourceSettings
from .source import framed
from .unconnected import UnconnectedSource


class PicturesSource(UnconnectedSource):
    """Gives pictures in the order of their list, each as a frame whose source is the picture's own path.

    Args:
        paths: The pictures.
        name: How to speak of them all.
        settings: Travel with each frame.
    """

    def __init__(self, paths: Sequence[Path], name: str, settings: SourceSettings | None = None) -> None:
        super().__init__(name, settings)
        self._paths = tuple(paths)

    def frames(self, stop: threading.Event) -> Generator[Frame, None, None]:
        """Give the pictures; see :class:`~fsrfer.runtime.sources.source.FrameSource`.

        Raises:
            SourceError: A picture cannot be read, or the region of the settings lies outside it.
        """
        for index, path in enumerate(self._paths):
            if stop.is_set():
                return
            yield framed(str(path), index, 0.0, Clock.STREAM, read_picture(path), self._settings, is_still=True)


def read_picture(path: Path) -> npt.NDArray[np.uint8]:
    """Read a picture, turned upright where its EXIF data say how.

    Args:
        path: A picture file.

    Returns:
        uint8 (height, width, 3), RGB; grey pictures are repeated over the channels.

    Raises:
        SourceError: The file cannot be read, is cut off, or is not a picture.
    """
    try:
        data = path.read_bytes()
    except OSError as problem:
        raise SourceError(f"cannot read {path}", found=problem.strerror) from problem
    # OpenCV paints what is missing of a cut-off picture grey, and only the console hears of it.
    if not is_complete(data):
        raise SourceError(f"picture {path} is cut off", found=f"{len(data)} bytes", fix="copy it again")
    image_bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    if image_bgr is None:
        raise SourceError(f"cannot read {path} as a picture", expected="JPEG, PNG, WebP, TIFF, BMP or PNM")
    return np.asarray(cv2.cvtColor(image_bgr, cv2.COLOR_BGR2RGB), np.uint8)
