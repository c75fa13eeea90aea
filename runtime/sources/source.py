"""The seam between the pipeline and whatever gives frames."""

from __future__ import annotations

import threading
from collections.abc import Generator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ...core.errors import SourceError
from ..frame import Clock, Frame
from .settings import SourceSettings


class FrameSource(Protocol):
    """Gives the frames of one camera, stream, video or set of pictures."""

    @property
    def name(self) -> str:
        """How to speak of the source; holds no credentials."""

    @property
    def reconnects(self) -> int:
        """How often the connection was lost and made again."""

    def frames(self, stop: threading.Event) -> Generator[Frame, None, None]:
        """Open the source and give its frames in order; it is closed when the generator is.

        Args:
            stop: Asks the source to end; a recording may take as long as one read takes.

        Raises:
            SourceError: The source cannot be opened or read, and trying again does not help.
        """


@dataclass(frozen=True)
class TimedImage:
    """A decoded picture and its time stamp.

    Attributes:
        image: uint8 (height, width, 3), RGB.
        stream_time_s: Seconds in the stream's own time; None where the stream says none.
        decoding_s: When its decoding, conversion included, began and ended, on the monotonic clock; None where
            nobody measured it.
    """

    image: npt.NDArray[np.uint8]
    stream_time_s: float | None
    decoding_s: tuple[float, float] | None = None


def framed(
    source: str,
    index: int,
    time_s: float,
    clock: Clock,
    image: npt.NDArray[np.uint8],
    settings: SourceSettings,
    *,
    is_still: bool = False,
    decoding_s: tuple[float, float] | None = None,
) -> Frame:
    """Make a frame that carries the settings of its source.

    Raises:
        SourceError: The region of the settings lies outside the image.
    """
    try:
        settings.region_px(image.shape[1], image.shape[0])
    except SourceError as problem:
        raise SourceError(f"{source}: {problem.message}", found=problem.found, fix=problem.fix) from None
    return Frame(source, index, time_s, clock, image, is_still=is_still, settings=settings, decoding_s=decoding_s)


class RefusedError(SourceError):
    """The other side said no: trying again without changing something cannot help."""
