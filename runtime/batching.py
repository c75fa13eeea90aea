"""Shared batches: the faces of several frames, of all sources, in one run of the model."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from .classifier import ExpressionClassifier
from .detection import FaceDetections
from .frame import Frame
from .readings import Readings
from .tracking import TrackedFaces

if TYPE_CHECKING:  # a scene prepares what waits here
    from .scene import Scene


@dataclass(frozen=True)
class PendingFrame:
    """A frame some of whose faces wait to be read by the model.

    Attributes:
        frame: The frame.
        detections: Its N faces; None where the frame itself is one.
        crops: M crops of the faces that are to be read, uint8, usually views on the frame's image; all N of them
            where nobody is followed.
        tracked: Whom the faces belong to; None where nobody is followed.
        is_read: bool (N,), which faces the crops belong to; None where nobody is followed.
        quality: float32 (N,), how much each face's crop can tell; None where nobody is followed.
        scene: Who follows them. A source may be read anew meanwhile, with another scene and other tracks.
        prepared_s: When it began to wait, by the monotonic clock.
    """

    frame: Frame
    detections: FaceDetections | None
    crops: Sequence[npt.NDArray[np.uint8]]
    tracked: TrackedFaces | None = None
    is_read: npt.NDArray[np.bool_] | None = None
    quality: npt.NDArray[np.float32] | None = None
    scene: Scene | None = field(default=None, repr=False)
    prepared_s: float = field(default_factory=time.monotonic)


class FaceBatcher:
    """Gathers faces over frames and sources until a run of the model is worth while.

    Recordings wait until a batch is full. A live frame waits for the other live sources only: until each of them has
    given a frame, or until ``max_wait_s`` is over.

    Args:
        classifier: Classifies the faces; its ``max_batch`` is what full means.
        max_wait_s: Longest wait of a live frame.
        max_frames: Most frames that wait, which bounds the memory they take.
    """

    def __init__(self, classifier: ExpressionClassifier, *, max_wait_s: float, max_frames: int) -> None:
        self._classifier = classifier
        self._max_wait_s = max_wait_s
        self._max_frames = max_frames
        self._pending: list[PendingFrame] = []
        self._faces = 0
        self._live_names: set[str] = set()
        self._deadline: float | None = None

    def add(self, pending: PendingFrame, now_s: float) -> None:
        """Add a frame.

        Args:
            pending: The frame and its faces.
            now_s: Present time of the monotonic clock.
        """
        self._pending.append(pending)
        self._faces += len(pending.crops)
        if pending.frame.is_live:
            self._live_names.add(pending.frame.source)
            if self._deadline is None:
                self._deadline = now_s + self._max_wait_s

    def patience_s(self, now_s: float, live_sources: int) -> float | None:
        """Return how long the batch may wait for another frame: 0 for not at all, None for as long as it takes.

        Args:
            now_s: Present time of the monotonic clock.
            live_sources: Number of live sources that are giving frames.
        """
        if self._faces >= self._classifier.max_batch or len(self._pending) >= self._max_frames:
            return 0.0
        if self._deadline is None:
            return None
        if len(self._live_names) >= live_sources:
            return 0.0
        return max(self._deadline - now_s, 0.0)

    @property
    def pending_frames(self) -> int:
        """Number of frames that wait."""
        return len(self._pending)

    def flush(self) -> list[tuple[PendingFrame, Readings]]:
        """Read the faces of all waiting frames together.

        Returns:
            The frames in their order, each with the readings of its M crops.

        Raises:
            InferenceLostError: The model runs on another machine, which was away for too long; only where all frames
                are of recordings. Live frames do not wait for it.
        """
        pending, self._pending = self._pending, []
        self._faces, self._deadline = 0, None
        self._live_names.clear()
        if not pending:
            return []
        readings = self._read(pending)
        read, start = [], 0
        for one in pending:
            stop = start + len(one.crops)
            read.append((one, readings.part(start, stop)))
            start = stop
        return read

    def _read(self, pending: Sequence[PendingFrame]) -> Readings:
        crops = [crop for one in pending for crop in one.crops]
        if any(one.frame.is_live for one in pending):
            return self._classifier.read(crops)
        return Readings(self._classifier.classify(crops), (None,) * len(crops))
