"""All scenes of a pipeline: which faces of a frame are read, and what its result is."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ..core.predictions import ExpressionPredictions
from .batching import PendingFrame
from .classifier import ExpressionClassifier
from .detection import FaceDetections
from .face_crops import cut_faces
from .frame import Frame
from .readings import Readings
from .remote import LossReason
from .results import FrameResult
from .scene import FollowOptions, Scene
from .telemetry import Stage, StageTimes

_LOGGER = logging.getLogger(__name__)

_UNLIMITED = 2**31


class Scenes:
    """Prepares frames for the model, and makes results of what it reads; frames of one source come in order.

    Args:
        classifier: Reads the faces.
        follow: How people are followed; None follows nobody.
        stages: Told how long it takes.
    """

    def __init__(self, classifier: ExpressionClassifier, follow: FollowOptions | None, stages: StageTimes) -> None:
        self._labels = classifier.labels
        self._abstain_below = classifier.abstain_below
        self._crop_margin = classifier.manifest.preprocess.crop_margin
        self._follow = follow
        self._stages = stages
        self._scenes: dict[str, Scene] = {}
        self._invalid = 0
        self._lost: Counter[LossReason] = Counter()

    @property
    def invalid_readings(self) -> int:
        """Faces for which the model gave no numbers."""
        return self._invalid

    @property
    def lost_readings(self) -> dict[str, int]:
        """Faces that were to be read and were not, by reason."""
        return {reason.value: count for reason, count in self._lost.items()}

    def forget(self, source: str) -> None:
        """Drop what is known about the people of a source that is gone."""
        self._scenes.pop(source, None)

    def prepare(self, frame: Frame, detections: FaceDetections | None) -> PendingFrame:
        """Cut out the faces of a frame that the model is to read.

        Args:
            frame: The frame.
            detections: Its faces; None where it was not searched.
        """
        if self._follow is None or frame.is_still:
            found = FaceDetections.empty() if detections is None else detections
            with self._stages.measure(Stage.CROP, frame):
                return PendingFrame(frame, found, cut_faces(frame.image, found, self._crop_margin))
        scene = self._scene_of(frame, self._follow)
        with self._stages.measure(Stage.TRACK, frame):
            tracked = scene.follow(frame, detections)
        with self._stages.measure(Stage.CROP, frame):
            return scene.choose(frame, tracked)

    def result(self, pending: PendingFrame, readings: Readings) -> FrameResult:
        """Return the result of a frame.

        Args:
            pending: The frame, as it was prepared.
            readings: What the model says about its M crops; a face that was lost, or that it gives no numbers for, is
                told as unknown, or as what it showed before.
        """
        predictions, is_lost = readings.predictions, readings.is_lost
        is_valid: npt.NDArray[np.bool_] = np.isfinite(predictions.probabilities.sum(axis=1)) & ~is_lost
        self._lost.update(reason for reason in readings.losses if reason is not None)
        if not (is_valid | is_lost).all():
            self._count_invalid(pending.frame, int((~is_valid & ~is_lost).sum()))
        if pending.scene is None:
            return FrameResult(pending.frame, _with_unknown(predictions, is_valid), pending.detections)
        with self._stages.measure(Stage.SMOOTH, pending.frame):
            return pending.scene.result(pending, predictions, is_valid)

    def _scene_of(self, frame: Frame, options: FollowOptions) -> Scene:
        if frame.source not in self._scenes:
            if not frame.is_live:
                options = replace(options, reading=replace(options.reading, max_faces=_UNLIMITED))
            self._scenes[frame.source] = Scene(
                options, self._labels, crop_margin=self._crop_margin, abstain_below=self._abstain_below
            )
        return self._scenes[frame.source]

    def _count_invalid(self, frame: Frame, faces: int) -> None:
        if not self._invalid:
            _LOGGER.error(
                "the model gives no numbers for %d faces of frame %d of %s: they are told as unknown. "
                "Next: fsrfer-export verify; further ones are counted only",
                *(faces, frame.index, frame.source),
            )
        self._invalid += faces


def _with_unknown(readings: ExpressionPredictions, is_valid: npt.NDArray[np.bool_]) -> ExpressionPredictions:
    if is_valid.all():
        return readings
    probabilities = readings.probabilities.copy()
    probabilities[~is_valid] = np.nan  # nothing is known, which is not that all expressions are equally likely
    return replace(readings, probabilities=probabilities, abstained=readings.abstained | ~is_valid)
