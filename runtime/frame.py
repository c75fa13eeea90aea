"""One picture of a source."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:  # the package of the sources imports this module
    from .sources.settings import SourceSettings


class Clock(str, Enum):
    """What the time of a frame counts from."""

    STREAM = "stream"
    """Seconds since the start of a recording. Its frames can wait, so none is ever dropped."""

    WALL = "wall"
    """Seconds since 1970 (Unix time) at which a live source showed the frame. An old frame gives way to a newer one."""


@dataclass(frozen=True)
class Frame:
    """One picture of a source.

    Attributes:
        source: Name of the source for people; credentials are redacted.
        index: Position in the source, from 0; a gap means that frames in between were dropped.
        time_s: When it was shown, in seconds of ``clock``.
        clock: What ``time_s`` counts from.
        image: uint8 (height, width, 3), RGB.
        is_still: A picture by itself: no frame before or after it shows the same scene.
        settings: Of its source: the region in which faces are looked for, say. None for a frame without a source.
        decoding_s: When its decoding, conversion included, began and ended, on the monotonic clock; None where
            nobody measured it.
    """

    source: str
    index: int
    time_s: float
    clock: Clock
    image: npt.NDArray[np.uint8]
    is_still: bool = False
    settings: SourceSettings | None = None
    decoding_s: tuple[float, float] | None = None

    @property
    def width(self) -> int:
        """Columns of the image."""
        return int(self.image.shape[1])

    @property
    def height(self) -> int:
        """Rows of the image."""
        return int(self.image.shape[0])

    @property
    def is_live(self) -> bool:
        """Whether the frame comes from a source that does not wait for its reader."""
        return self.clock is Clock.WALL
