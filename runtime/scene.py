"""One camera's people over time: who is where, whose face is worth reading, what they show."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from ..core.crop import square_boxes
from ..core.predictions import ExpressionPredictions
from .batching import PendingFrame
from .detection import FaceDetections, FaceDetector
from .face_crops import cut_faces
from .frame import Frame
from .recorded_boxes import RecordedBoxes
from .results import FaceTracks, FrameResult
from .tracking import (
    ExpressionSmoother,
    FaceTracker,
    ReadingConfig,
    ReadingPolicy,
    SmoothingConfig,
    TrackedFaces,
    TrackerConfig,
    crop_quality,
)


@dataclass(frozen=True)
class FollowOptions:
    """How people are followed.

    Attributes:
        tracker: Who is whom from frame to frame.
        reading: Which faces are read by the model. Its most faces in a frame bind live sources only: a recording waits.
        smoothing: How readings become the expression that is shown.
    """

    tracker: TrackerConfig = field(default_factory=TrackerConfig)
    reading: ReadingConfig = field(default_factory=ReadingConfig)
    smoothing: SmoothingConfig = field(default_factory=SmoothingConfig)

    def beginning_with(self, detector: FaceDetector | RecordedBoxes | None) -> FollowOptions:
        """Return these options, in which every face that a detector reports begins a track, unless they say otherwise.

        Args:
            detector: Where faces come from; boxes that are known begin one whatever their score.
        """
        if detector is None or self.tracker.high_score is not None:
            return self
        least = 0.0 if isinstance(detector, RecordedBoxes) else detector.score_threshold
        return replace(self, tracker=replace(self.tracker, high_score=least))


class Scene:
    """What is known about the people before one source.

    Args:
        options: How they are followed.
        labels: The model's expressions.
        crop_margin: Fraction of a box's longer side that is added on each side of a crop.
        abstain_below: Confidence below which an expression is told as unknown.
    """

    def __init__(
        self, options: FollowOptions, labels: tuple[str, ...], *, crop_margin: float, abstain_below: float
    ) -> None:
        self._tracker = FaceTracker(options.tracker)
        self._policy = ReadingPolicy(options.reading)
        self._smoother = ExpressionSmoother(labels, options.smoothing, abstain_below=abstain_below)
        self._crop_margin = crop_margin

    def follow(self, frame: Frame, detections: FaceDetections | None) -> TrackedFaces:
        """Say whom the faces of the next frame belong to.

        Args:
            frame: The frame.
            detections: Its faces; None where it was not searched, and they are where their motion takes them.
        """
        size = (frame.width, frame.height)
        if detections is None:
            return self._tracker.predict(frame.time_s, size)
        return self._tracker.update(detections, frame.time_s, size)

    def choose(self, frame: Frame, tracked: TrackedFaces) -> PendingFrame:
        """Cut out the faces that are worth reading now.

        Args:
            frame: The frame.
            tracked: Its faces.
        """
        crops = cut_faces(frame.image, tracked.detections, self._crop_margin)
        quality = crop_quality(crops, tracked.detections)
        is_read = self._policy.choose(tracked, frame.time_s, quality)
        chosen = [crops[face] for face in np.flatnonzero(is_read)]
        return PendingFrame(frame, tracked.detections, chosen, tracked, is_read, quality, self)

    def result(
        self, pending: PendingFrame, readings: ExpressionPredictions, is_valid: npt.NDArray[np.bool_]
    ) -> FrameResult:
        """Combine what the model read with what is known from before.

        Args:
            pending: A frame of this scene; frames come in their order.
            readings: What the model says about the M faces that were read.
            is_valid: bool (M,), the model gave numbers for the face.
        """
        tracked, is_read, quality = pending.tracked, pending.is_read, pending.quality
        if tracked is None or is_read is None or quality is None:
            raise ValueError("the frame does not belong to a scene")
        read_ids, valid = tracked.ids[is_read][is_valid], readings.select(is_valid)
        self._smoother.add(read_ids, valid, pending.frame.time_s)
        self._policy.note_confidence(read_ids, valid.confidence)
        sizes = _crop_sides(tracked.detections, self._crop_margin)
        shown = self._smoother.predictions_of(tracked.ids, sizes, pending.frame.time_s)
        was_read = is_read.copy()
        was_read[is_read] = is_valid
        tracks = FaceTracks(tracked.ids, tracked.age_s, tracked.is_detected, was_read, quality)
        return FrameResult(pending.frame, shown, tracked.detections, tracks)


def _crop_sides(detections: FaceDetections, margin: float) -> npt.NDArray[np.float32]:
    squares = square_boxes(detections.boxes, margin)
    return (squares[:, 2] - squares[:, 0]).astype(np.float32)
