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

    The defaults were chosen with ``benchmarks/detection_recall.py``.

    Attributes:
        score_threshold: Least score, 0 to 1; None takes the detector's own, at which about nine of ten boxes are
            right where faces are small and many.
        nms_iou: Intersection over union above which the weaker of two boxes is dropped.
        min_face_px: Least longer side of a box, in pixels of the frame.
        max_side: Longest side of the network's input in pixels, before padding. A larger frame shrinks to it, a
            smaller one grows towards it: of the faces of 8 to 12 px, RetinaFace finds 5 % in a picture as it is, 36 %
            in twice and 50 % in three times its size. Time grows with the square. A fixed input size overrides it.
        max_enlargement: Most that a frame grows, as a factor; None takes the detector's own, beyond which growing
            adds time and hardly a face.
        scales: How often the network looks at a frame, and how large: factors of the size that ``max_side`` and
            ``max_enlargement`` give, each above 0 and at most 1. What several looks agree on scores higher than what
            one of them sees alone, see :func:`~fsrfer.runtime.detection.fusion.fuse_looks`. None takes the detector's
            own, less those that would not enlarge the frame twice: they harm small faces.
        max_candidates: Most boxes of a look that enter non-maximum suppression; the best are taken.
        max_batch: Most pictures in one run of a graph whose batch is free. The default is right for a CPU, where a
            batch costs what its pictures cost one by one, and more memory; a GPU wants more.

    Raises:
        UsageError: A value is out of range.
    """

    score_threshold: float | None = None
    nms_iou: float = 0.3
    min_face_px: float = 8.0
    max_side: int = 1280
    max_enlargement: float | None = None
    scales: tuple[float, ...] | None = None
    max_candidates: int = 5000
    max_batch: int = 1

    def __post_init__(self) -> None:
        _check("score_threshold", self.score_threshold is None or 0.0 <= self.score_threshold <= 1.0, "in [0, 1]", self)
        _check("nms_iou", 0.0 <= self.nms_iou <= 1.0, "in [0, 1]", self)
        _check("min_face_px", self.min_face_px >= 0.0, "0 or more", self)
        _check("max_side", self.max_side >= 32, "32 or more", self)
        _check("max_enlargement", self.max_enlargement is None or self.max_enlargement > 0.0, "above 0", self)
        are_scales = self.scales is None or (len(self.scales) > 0 and all(0.0 < scale <= 1.0 for scale in self.scales))
        _check("scales", are_scales, "one or more, each above 0 and at most 1", self)
        _check("max_candidates", self.max_candidates >= 1, "1 or more", self)
        _check("max_batch", self.max_batch >= 1, "1 or more", self)


class FaceDetector(Protocol):
    """Finds faces. Use it as a context manager; one detector serves one thread at a time, see :meth:`for_thread`."""

    @property
    def name(self) -> str:
        """Name of the detector, for logs and reports."""

    @property
    def score_threshold(self) -> float:
        """Least score of what it reports."""

    @property
    def config(self) -> DetectorConfig:
        """What counts as a face, and how hard it looks."""

    def with_config(self, config: DetectorConfig) -> FaceDetector:
        """Return this detector with another configuration: for a camera with faces of another size, say.

        Both run the same graph, which is loaded once. The new one works while this one is entered; entering and
        leaving it does nothing. One thread at a time uses either of them.
        """

    def for_thread(self) -> FaceDetector:
        """Return this detector with memory of its own, so that another thread can use it at the same time.

        Both run the same graph, which is loaded once. The new one works while this one is entered; entering and
        leaving it does nothing.

        Raises:
            UsageError: Runs of the graph must not overlap.
        """

    def detect(self, frame: npt.NDArray[np.uint8]) -> FaceDetections:
        """Find the faces of a frame.

        Args:
            frame: uint8 (height, width, 3) RGB, or (height, width) grey.

        Returns:
            Faces in pixels of the frame; boxes lie inside it and are not empty.

        Raises:
            InputSpecError: The array is not such a picture.
            DetectorError: The network returned what cannot be faces, such as numbers that are none.
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
