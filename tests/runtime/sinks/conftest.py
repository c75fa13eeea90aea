"""Results for the tests of the sinks."""

from __future__ import annotations

import jsonschema
import numpy as np
import pytest

from fsrfer.core.labels import CANONICAL_LABELS
from fsrfer.core.predictions import ExpressionPredictions
from fsrfer.runtime.detection import FaceDetections
from fsrfer.runtime.frame import Clock, Frame
from fsrfer.runtime.groups import GroupWindow
from fsrfer.runtime.results import FaceTracks, FrameResult
from fsrfer.runtime.sinks import output_schema


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
        ids=None,
        is_detected=True,
        quality=0.25,
        unreadable=(),
    ):
        count = 1 if boxes is None else len(boxes)
        image = np.full((size[1], size[0], 3), 60, np.uint8)
        probabilities = np.full((count, len(labels)), 0.1 / (len(labels) - 1), np.float32)
        probabilities[:, label] = 0.9
        probabilities[list(unreadable)] = np.nan
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
        tracks = None
        if ids is not None:
            flags = np.full(count, is_detected)
            looks = np.full(count, quality, np.float32)
            tracks = FaceTracks(np.array(ids, np.int64), np.full(count, 1.25, np.float32), flags, ~flags, looks)
        return FrameResult(Frame(source, index, time_s, clock, image), predictions, detections, tracks)

    return build


@pytest.fixture(scope="session")
def make_window():
    """Builder of windows of one source: ``make_window(number, ...)``."""

    def build(number=0, **changes):
        said = {
            "source": "hall",
            "start_s": 10.0 * number,
            "end_s": 10.0 * number + 10.0,
            "clock": Clock.WALL,
            "frames": 250,
            "people": 3,
            "faces_per_frame": 2.5,
            "labels": ("neutral", "happiness"),
            "shares": np.array([0.25, 0.75]),
            "margin": np.array([0.125, 0.125]),
            "is_suppressed": False,
        }
        return GroupWindow(**{**said, **changes})

    return build


@pytest.fixture(scope="session")
def validator():
    """Validator of records: ``validator.validate(record)``."""
    jsonschema.Draft202012Validator.check_schema(output_schema())
    return jsonschema.Draft202012Validator(output_schema())
