"""Looking at a part of the frame only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor
from types import TracebackType

import numpy as np
import numpy.typing as npt

from ...core.errors import UsageError
from .detections import FaceDetections
from .detector import DetectorConfig, FaceDetector
from .letterbox import size_of_frame

Frame = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Region:
    """A rectangle of the frame in fractions of its sides, so that it fits every resolution of a camera.

    Attributes:
        left: 0 is the frame's left edge.
        top: 0 is the frame's upper edge.
        right: 1 is the frame's right edge.
        bottom: 1 is the frame's lower edge.

    Raises:
        UsageError: It is empty or reaches outside the frame.
    """

    left: float
    top: float
    right: float
    bottom: float

    def __post_init__(self) -> None:
        if not (0.0 <= self.left < self.right <= 1.0 and 0.0 <= self.top < self.bottom <= 1.0):
            raise UsageError(
                "impossible region of interest",
                expected="left below right and top below bottom, in fractions of the frame from 0 to 1",
                found=f"{self.left:g}, {self.top:g}, {self.right:g}, {self.bottom:g}",
            )

    def pixels_of(self, frame_size: tuple[int, int]) -> tuple[int, int, int, int]:
        """Return the first column and row, and one past the last, in a frame of this width and height.

        Every pixel that the region touches belongs to it, so that there is always one.
        """
        width, height = frame_size
        return floor(self.left * width), floor(self.top * height), ceil(self.right * width), ceil(self.bottom * height)


class RegionDetector:
    """Looks at a region of every frame; see :class:`~fsrfer.runtime.detection.FaceDetector` for the contract.

    The region is a picture like any other to the detector: its ``max_side`` is that of the region, which shows faces
    larger than the whole frame would.

    Args:
        detector: Looks at the region; entered and left with this one.
        region: Where to look.
    """

    def __init__(self, detector: FaceDetector, region: Region) -> None:
        self._detector = detector
        self._region = region

    @property
    def name(self) -> str:
        """Name of the detector that looks at the region."""
        return self._detector.name

    @property
    def score_threshold(self) -> float:
        """Least score of what it reports."""
        return self._detector.score_threshold

    @property
    def config(self) -> DetectorConfig:
        """What counts as a face, and how hard it looks."""
        return self._detector.config

    @property
    def region(self) -> Region:
        """Where it looks."""
        return self._region

    def with_config(self, config: DetectorConfig) -> RegionDetector:
        """Return this detector with another configuration and the same region."""
        return RegionDetector(self._detector.with_config(config), self._region)

    def detect(self, frame: Frame) -> FaceDetections:
        """Find the faces in the region of a frame, in pixels of the frame."""
        return self.detect_batch([frame])[0]

    def detect_batch(self, frames: Sequence[Frame]) -> list[FaceDetections]:
        """Find the faces in the region of several frames."""
        parts = [self._region.pixels_of(size_of_frame(frame)) for frame in frames]
        pictures = [frame[y0:y1, x0:x1] for frame, (x0, y0, x1, y1) in zip(frames, parts, strict=True)]
        found = self._detector.detect_batch(pictures)
        return [faces.shifted(x0, y0) for faces, (x0, y0, _, _) in zip(found, parts, strict=True)]

    def __enter__(self) -> RegionDetector:
        self._detector.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._detector.__exit__(kind, error, trace)
