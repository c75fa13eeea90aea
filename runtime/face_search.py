"""Finds the faces of frames, by a detector on those whose turn it is, or from boxes that are known."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from .detection import FaceDetections, FaceDetector
from .detection_cadence import ArrivalRate, DetectionCadence
from .frame import Frame
from .recorded_boxes import RecordedBoxes
from .sources import SourceStatus
from .telemetry import Stage, StageTimes

Image = npt.NDArray[np.uint8]


class FaceSearch:
    """Runs the detector on the frames whose turn it is, in one lane or in several at the same time.

    Args:
        detector: Finds faces, or knows them.
        every: Frames of a source from one detection to the next; None adapts it to the load of live sources.
        stages: Told how long detection takes.
        lanes: Threads that may search at the same time, each in a lane of its own.
        low_score: Score from which on faces are looked for in what moves, where the detector's threshold is higher: to
            follow those that it is less sure of. None leaves it.
    """

    def __init__(
        self,
        detector: FaceDetector | RecordedBoxes,
        every: int | None,
        stages: StageTimes,
        lanes: int = 1,
        *,
        low_score: float | None = None,
    ) -> None:
        self._known = detector if isinstance(detector, RecordedBoxes) else None
        self._lanes = [] if isinstance(detector, RecordedBoxes) else _lanes(detector, lanes, low_score)
        self._cadence = DetectionCadence(every)
        self._stages = stages
        self._arrivals, self._losses = ArrivalRate(), ArrivalRate()
        self._lock = threading.Lock()
        self._detect_s = 0.0
        self._searched = 0
        self._seen = 0

    @property
    def every(self) -> int:
        """Frames of a source from one detection to the next, at present."""
        return self._cadence.every

    def choose(self, frames: Sequence[Frame]) -> list[bool]:
        """Say which frames are to be searched; frames of one source come in their order.

        Args:
            frames: Frames of any sources and sizes; a picture by itself is always searched.
        """
        with self._lock:
            self._seen += len(frames)
            if self._known is not None:
                return [True] * len(frames)
            return [frame.is_still or self._cadence.is_due(frame.source) for frame in frames]

    def find(self, frames: Sequence[Frame], lane: int = 0) -> list[FaceDetections]:
        """Return the faces of each frame.

        Args:
            frames: What :meth:`choose` chose, in any order.
            lane: Which lane's memory is used; one thread at a time uses a lane.

        Raises:
            FsrferError: Detection failed.
        """
        if self._known is not None:
            return [self._known.boxes_of(frame) for frame in frames]
        found: dict[int, FaceDetections] = {}
        for detector, positions in self._lanes[lane].groups_of(frames):
            regions = [_region(frames[position]) for position in positions]
            images = [
                frames[position].image[y0:y1, x0:x1]
                for position, (x0, y0, x1, y1) in zip(positions, regions, strict=True)
            ]
            searched = self._timed(detector, images, [frames[position] for position in positions])
            for position, region, detections in zip(positions, regions, searched, strict=True):
                found[position] = detections.shifted(*region[:2])
        return [found[position] for position in range(len(frames))]

    def forget(self, source: str) -> None:
        """Drop what is known about a source that is gone."""
        with self._lock:
            self._cadence.forget(source)

    def adapt(self, statuses: Sequence[SourceStatus], now_s: float, idle_s: float) -> bool:
        """Choose how often to search, from what the last second or so has cost.

        Args:
            statuses: All sources.
            now_s: Present time of the monotonic clock.
            idle_s: Time since the last choice in which the thread that does everything but the search had nothing
                to do.

        Returns:
            Whether a choice was made; it is too early for one otherwise.
        """
        if not self._arrivals.is_due(now_s):
            return False
        live = [status for status in statuses if status.is_live]
        window = self._arrivals.look({status.name: status.frames + status.dropped for status in live}, now_s)
        losses = self._losses.look({status.name: status.dropped for status in live}, now_s)
        with self._lock:
            if window is not None and losses is not None and self._seen:
                detect_s = self._detect_s / self._searched if self._searched else None
                self._cadence.observe(detect_s, max(window.seconds - idle_s, 0.0) / self._seen)
                lost = losses.per_second / window.per_second if window.per_second else 0.0
                self._cadence.adapt(window.per_second, max(len(self._lanes), 1), lost)
            self._detect_s, self._searched, self._seen = 0.0, 0, 0
        return True

    def _timed(self, detector: FaceDetector, images: Sequence[Image], frames: Sequence[Frame]) -> list[FaceDetections]:
        started_s = time.monotonic()
        found = detector.detect_batch(images)
        ended_s = time.monotonic()
        elapsed_s = ended_s - started_s
        self._stages.note(Stage.DETECT, started_s, ended_s, frames)
        with self._lock:
            self._detect_s += elapsed_s
            self._searched += len(images)
        for _ in images:
            self._stages.observe(Stage.DETECT, elapsed_s / len(images))
        return found


@dataclass(frozen=True)
class _Wanted:
    """What differs between the frames of a lane; None leaves what the detector is configured for."""

    min_face_px: float | None
    side: int | None
    score: float | None


class _Lane:
    """What one thread searches with: the detector, and the same for frames that want another configuration."""

    def __init__(self, detector: FaceDetector, low_score: float | None) -> None:
        self._detector = detector
        self._low_score = None if low_score is None or low_score >= detector.score_threshold else low_score
        self._by_wanted: dict[_Wanted, FaceDetector] = {_Wanted(None, None, None): detector}

    def groups_of(self, frames: Sequence[Frame]) -> list[tuple[FaceDetector, list[int]]]:
        """Return the positions of the frames of each configuration, which are searched together."""
        groups: dict[_Wanted, list[int]] = {}
        for position, frame in enumerate(frames):
            settings = frame.settings
            min_face_px, side = (None, None) if settings is None else (settings.min_face_px, settings.detector_side)
            wanted = _Wanted(min_face_px, side, None if frame.is_still else self._low_score)
            groups.setdefault(wanted, []).append(position)
        return [(self._detector_for(wanted), positions) for wanted, positions in groups.items()]

    def _detector_for(self, wanted: _Wanted) -> FaceDetector:
        if wanted not in self._by_wanted:
            config = self._detector.config
            config = config if wanted.min_face_px is None else replace(config, min_face_px=wanted.min_face_px)
            config = config if wanted.side is None else replace(config, max_side=wanted.side)
            config = config if wanted.score is None else replace(config, score_threshold=wanted.score)
            self._by_wanted[wanted] = self._detector.with_config(config)
        return self._by_wanted[wanted]


def _lanes(detector: FaceDetector, count: int, low_score: float | None) -> list[_Lane]:
    return [_Lane(detector, low_score), *(_Lane(detector.for_thread(), low_score) for _ in range(count - 1))]


def _region(frame: Frame) -> tuple[int, int, int, int]:
    region = None if frame.settings is None else frame.settings.region_px(frame.width, frame.height)
    return (0, 0, frame.width, frame.height) if region is None else region
