"""Results for the tests of the sinks."""

from __future__ import annotations

import numpy as np
import pytest

from fsrfer.core.labels import CANONICAL_LABELS
from fsrfer.core.predictions import ExpressionPredictions
from fsrfer.runtime.detection import FaceDetections
from fsrfer.runtime.frame import Clock, Frame
from fsrfer.runtime.results import FrameResult


@pytest.fixture(scope="session")
def make_result():
    """Builder of results: ``make_result(boxes, source=, index=, time_s=, ...)``; boxes None for a face crop."""

    def build(
        boxes=((10, 10, 30, 34),),
        *,
        source="clip.mp4",
        index=0,
        time_s=0.0,
        clock=Clock.STREAM,
        size=(120, 90),
        labels=CANONICAL_LABELS,
        abstained=False,
        label=1,
    ):
        count = 1 if boxes is None else len(boxes)
        image = np.full((size[1], size[0], 3), 60, np.uint8)
        probabilities = np.full((count, len(labels)), 0.1 / (len(labels) - 1), np.float32)
        probabilities[:, label] = 0.9
        predictions = ExpressionPredictions(
            labels,
            probabilities,
            np.full(count, label, np.int64),
            np.full(count, 24, np.float32),
            np.full(count, abstained),
        )
        detections = None
        if boxes is not None:
            detections = FaceDetections(np.array(boxes, np.float32).reshape(-1, 4), np.full(count, 0.8, np.float32))
        return FrameResult(Frame(source, index, time_s, clock, image), predictions, detections)

    return build
