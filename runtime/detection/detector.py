"""The seam between the pipeline and whatever finds faces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ...core.errors import UsageError
from .detections import FaceDetections


@dataclass(frozen=True)
class DetectorConfig:
    """What counts as a face, and how hard to look.

    Attributes:
        score_threshold: Least score, above 0 and at most 1; None takes the detector's own
            (:attr:`FaceDetector.score_threshold`), for scores of different detectors do not compare.
        nms_iou: Intersection over union above which the weaker of two boxes is dropped.
        min_face_px: Least longer side of a box, in pixels of the frame.
        max_side: Longest side of the network's input in pixels, before padding. A larger frame shrinks to it, a
            smaller one grows towards it: both detectors miss most faces below 16 px at their native size. A graph
            with a fixed input size ignores it.
        max_enlargement: Most that a frame grows, as a factor; growing further adds time and few faces.
        max_candidates: Most boxes that enter non-maximum suppression; the best are taken.
        max_batch: Most frames in one run of a graph whose batch is free.

    Raises:
        UsageError: A value is out of range.
    """

    score_threshold: float | None = None
    nms_iou: float = 0.4
    min_face_px: float = 8.0
    max_side: int = 1280
    max_enlargement: float = 2.0
    max_candidates: int = 5000
    max_batch: int = 8

    def __post_init__(self) -> None:
        _check("score_threshold", self.score_threshold is None or 0.0 < self.score_threshold <= 1.0, "in (0, 1]", self)
        _check("nms_iou", 0.0 <= self.nms_iou <= 1.0, "in [0, 1]", self)
        _check("min_face_px", self.min_face_px >= 0.0, "0 or more", self)
        _check("max_side", self.max_side >= 32, "32 or more", self)
        _check("max_enlargement", self.max_enlargement > 0.0, "above 0", self)
        _check("max_candidates", self.max_candidates >= 1, "1 or more", self)
        _check("max_batch", self.max_batch >= 1, "1 or more", self)


class FaceDetector(Protocol):
    """Finds faces. Use it as a context manager; one detector serves one thread at a time."""

    @property
    def name(self) -> str:
        """Name of the detector, for logs and reports."""

    @property
    def score_threshold(self) -> float:
        """Least score of what it reports."""

    def detect(self, frame: npt.NDArray[np.uint8]) -> FaceDetections:
        """Find the faces of a frame.

        Args:
            frame: uint8 (height, width, 3) RGB, or (height, width) grey.

        Returns:
            Faces in pixels of the frame; boxes lie inside it and are not empty.

        Raises:
            InputSpecError: The array is not such a picture.
        """

    def detect_batch(self, frames: Sequence[npt.NDArray[np.uint8]]) -> list[FaceDetections]:
        """Find the faces of several frames, which may differ in size; see :meth:`detect`."""

    def __enter__(self) -> FaceDetector: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def _check(name: str, is_possible: bool, expected: str, config: DetectorConfig) -> None:
    if not is_possible:
        raise UsageError(f"impossible {name} of the face detector", expected=expected, found=getattr(config, name))
