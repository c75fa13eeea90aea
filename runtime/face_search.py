"""Finds the faces of frames, by a detector on those whose turn it is, or from boxes that are known."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

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
    """Runs the detector on the frames whose turn it is.

    Args:
        detector: Finds faces, or knows them.
        every: Frames of a source from one detection to the next; None adapts it to the load of live sources.
        stages: Told how long detection takes.
    """

    def __init__(self, detector: FaceDetector | RecordedBoxes, every: int | None, stages: StageTimes) -> None:
        self._detector = detector
        self._cadence = DetectionCadence(every)
        self._stages = stages
        self._arrivals = ArrivalRate()
        self._by_settings: dict[tuple[float | None, int | None], FaceDetector] = {}
        self._detect_s = 0.0
        self._searched = 0
        self._seen = 0

    @property
    def every(self) -> int:
        """Frames of a source from one detection to the next, at present."""
        return self._cadence.every

    def search(self, frames: Sequence[Frame]) -> list[FaceDetections | None]:
        """Return the faces of each frame; None where it was not its turn.

        Args:
            frames: Frames of any sources and sizes; a picture by itself is always searched.

        Raises:
            FsrferError: Detection failed.
        """
        self._seen += len(frames)
        if isinstance(self._detector, RecordedBoxes):
            return [self._detector.boxes_of(frame) for frame in frames]
        due = [frame.is_still or self._cadence.is_due(frame.source) for frame in frames]
        wanted = [frame for frame, is_due in zip(frames, due, strict=True) if is_due]
        found = iter(self._detect(self._detector, wanted))
        return [next(found) if is_due else None for is_due in due]

    def forget(self, source: str) -> None:
        """Drop what is known about a source that is gone."""
        self._cadence.forget(source)

    def adapt(self, statuses: Sequence[SourceStatus], now_s: float, idle_s: float) -> bool:
        """Choose how often to search, from what the last second or so has cost.

        Args:
            statuses: All sources.
            now_s: Present time of the monotonic clock.
            idle_s: Time since the last choice in which there was nothing to do.

        Returns:
            Whether a choice was made; it is too early for one otherwise.
        """
        if not self._arrivals.is_due(now_s):
            return False
        counts = {status.name: status.frames + status.dropped for status in statuses if status.is_live}
        window = self._arrivals.look(counts, now_s)
        if window is not None and self._seen:
            busy_s = max(window.seconds - idle_s, self._detect_s)
            detect_s = self._detect_s / self._searched if self._searched else None
            self._cadence.observe(detect_s, (busy_s - self._detect_s) / self._seen)
            self._cadence.adapt(window.per_second)
        self._detect_s, self._searched, self._seen = 0.0, 0, 0
        return True

    def _detect(self, detector: FaceDetector, frames: Sequence[Frame]) -> list[FaceDetections]:
        """Search frames, those of one configuration together."""
        found: dict[int, FaceDetections] = {}
        groups: dict[tuple[float | None, int | None], list[int]] = {}
        for position, frame in enumerate(frames):
            settings = frame.settings
            key = (None, None) if settings is None else (settings.min_face_px, settings.detector_side)
            groups.setdefault(key, []).append(position)
        for key, positions in groups.items():
            regions = [_region(frames[position]) for position in positions]
            images = [
                frames[position].image[y0:y1, x0:x1]
                for position, (x0, y0, x1, y1) in zip(positions, regions, strict=True)
            ]
            inside = self._timed(self._detector_for(detector, *key), images)
            for position, region, detections in zip(positions, regions, inside, strict=True):
                found[position] = detections.shifted(*region[:2])
        return [found[position] for position in range(len(frames))]

    def _detector_for(self, detector: FaceDetector, min_face_px: float | None, side: int | None) -> FaceDetector:
        key = (min_face_px, side)
        if key == (None, None):
            return detector
        if key not in self._by_settings:
            config = detector.config
            config = config if min_face_px is None else replace(config, min_face_px=min_face_px)
            config = config if side is None else replace(config, max_side=side)
            self._by_settings[key] = detector.with_config(config)
        return self._by_settings[key]

    def _timed(self, detector: FaceDetector, images: Sequence[Image]) -> list[FaceDetections]:
        started_s = time.perf_counter()
        found = detector.detect_batch(images)
        elapsed_s = time.perf_counter() - started_s
        self._detect_s += elapsed_s
        self._searched += len(images)
        for _ in images:
            self._stages.observe(Stage.DETECT, elapsed_s / len(images))
        return found


def _region(frame: Frame) -> tuple[int, int, int, int]:
    region = None if frame.settings is None else frame.settings.region_px(frame.width, frame.height)
    return (0, 0, frame.width, frame.height) if region is None else region
