"""What may be set for each source by itself."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

from ...core.errors import SourceError, UsageError


class Transport(str, Enum):
    """What carries the pictures of an RTSP camera."""

    TCP = "tcp"
    """In the connection of the commands: nothing is lost, and a firewall that lets one through lets both through."""

    UDP = "udp"
    """Datagrams: on a bad network pictures are lost or damaged instead of late."""


@dataclass(frozen=True)
class SourceSettings:
    """How to read one source, and where and how to look for faces in it.

    Attributes:
        region: Left, top, right and bottom of the part of the frame in which faces are looked for; None for all of it.
            Four numbers up to 1 are fractions of the frame's width and height, others are pixels.
        max_fps: Most frames a second; the others are left out before they are converted. None takes all.
        min_face_px: Least longer side of a face's box in pixels; None leaves it to the detector.
        detector_side: Longest side of the detector's input in pixels; None leaves it to the detector.
        transport: Of an RTSP camera.
        start_timeout_s: Longest time from opening a live source to its first picture.
        read_timeout_s: Longest time between two pictures of a live source.
        decoder_threads: Threads that decode a live source. More than one helps only where frames consist of several
            slices, and keeps FFmpeg from telling damaged frames of H.264.
        keep_trying: Never give up on a live source that did not give a frame yet: it may be off when the program
            starts.

    Raises:
        UsageError: A value is out of range.
    """

    region: tuple[float, float, float, float] | None = None
    max_fps: float | None = None
    min_face_px: float | None = None
    detector_side: int | None = None
    transport: Transport = Transport.TCP
    start_timeout_s: float = 10.0
    read_timeout_s: float = 6.0
    decoder_threads: int = 1
    keep_trying: bool = False

    def __post_init__(self) -> None:
        # TOML has inf and nan: comparisons are written so that both fail.
        _check(
            "region", self.region is None or _is_region(self.region), "left < right, top < bottom, none below 0", self
        )
        _check("max_fps", self.max_fps is None or 0 < self.max_fps < math.inf, "above 0", self)
        _check("min_face_px", self.min_face_px is None or 0 <= self.min_face_px < math.inf, "0 or more", self)
        _check("detector_side", self.detector_side is None or self.detector_side >= 32, "32 or more", self)
        _check("start_timeout_s", 0 < self.start_timeout_s < math.inf, "above 0", self)
        _check("read_timeout_s", 0 < self.read_timeout_s < math.inf, "above 0", self)
        _check("decoder_threads", self.decoder_threads >= 1, "1 or more", self)

    def region_px(self, width: int, height: int) -> tuple[int, int, int, int] | None:
        """Return the region in whole pixels of a frame: its edges are moved outwards to them.

        Args:
            width: Columns of the frame.
            height: Rows of the frame.

        Returns:
            Left, top, right and bottom, where pixel i covers [i, i + 1): at least one pixel, none outside the frame.
            None where no region is set.

        Raises:
            SourceError: The region lies outside the frame.
        """
        if self.region is None:
            return None
        scale_x, scale_y = (width, height) if max(self.region) <= 1.0 else (1, 1)
        left, top, right, bottom = self.region
        x0, y0 = math.floor(left * scale_x), math.floor(top * scale_y)
        x1, y1 = min(math.ceil(right * scale_x), width), min(math.ceil(bottom * scale_y), height)
        if x0 >= x1 or y0 >= y1:
            raise SourceError(
                f"the region {list(self.region)} lies outside the frame",
                found=f"a frame of {width} x {height} pixels",
                fix="give the region in fractions of the frame, from 0 to 1",
            )
        return x0, y0, x1, y1


def _is_region(region: tuple[float, float, float, float]) -> bool:
    left, top, right, bottom = region
    return 0 <= left < right < math.inf and 0 <= top < bottom < math.inf


def _check(name: str, is_possible: bool, expected: str, settings: SourceSettings) -> None:
    if not is_possible:
        raise UsageError(f"impossible {name} of a source", expected=expected, found=getattr(settings, name))
