"""Results in the real library's own type."""

import subprocess
import sys

import numpy as np
import pytest

from fsrfer.core.predictions import ExpressionPredictions
from fsrfer.runtime.detection import FaceDetections
from fsrfer.runtime.frame import Clock, Frame
from fsrfer.runtime.results import FaceTracks, FrameResult
from fsrfer.runtime.supervision_adapter import to_supervision

supervision = pytest.importorskip("supervision")

FRAME = Frame("hall", 0, 0.0, Clock.STREAM, np.zeros((60, 80, 3), np.uint8))


def result(count=2, *, tracks=True, detections=True):
    probabilities = np.tile(np.array([0.2, 0.7, 0.1], np.float32), (count, 1))
    predictions = ExpressionPredictions(
        labels=("neutral", "happiness", "fear"),
        probabilities=probabilities,
        label_index=np.ones(count, np.int64),
        face_size_px=np.full(count, 12, np.float32),
        abstained=np.arange(count) == 1,
    )
    boxes = np.array([[10 * face, 5, 10 * face + 8, 15] for face in range(count)], np.float32).reshape(-1, 4)
    found = FaceDetections(boxes, np.full(count, 0.9, np.float32)) if detections else None
    flags = np.ones(count, bool)
    zeros = np.zeros(count, np.float32)
    followed = FaceTracks(np.arange(7, 7 + count), zeros, flags, flags, zeros) if tracks else None
    return FrameResult(FRAME, predictions, found, followed)


def test_faces_keep_their_boxes_expressions_and_tracks():
    found = to_supervision(result())
    assert isinstance(found, supervision.Detections)
    assert found.xyxy.tolist() == [[0, 5, 8, 15], [10, 5, 18, 15]]
    assert found.tracker_id.tolist() == [7, 8]
    assert found.class_id.tolist() == [1, 1]
    assert found["class_name"].tolist() == ["happiness", "unknown"]
    np.testing.assert_allclose(found.confidence, 0.7)


def test_the_library_can_select_from_them():
    found = to_supervision(result(3))
    large = found[found["detection_score"] > 0.5][:2]
    assert len(large) == 2
    assert large["probabilities"].shape == (2, 3)


def test_its_annotators_draw_them():
    scene = to_supervision(result())
    drawn = supervision.BoxAnnotator(thickness=1).annotate(FRAME.image.copy(), scene)
    assert drawn.any()


def test_an_empty_frame_and_a_ready_made_crop():
    assert len(to_supervision(result(0))) == 0
    whole = to_supervision(result(1, tracks=False, detections=False))
    assert whole.tracker_id is None
    assert whole.xyxy.tolist() == [[0, 0, 80, 60]]
    assert np.isnan(whole["detection_score"]).all()


def test_the_runtime_does_not_load_the_library():
    code = "import sys, fsrfer.runtime, fsrfer.runtime.supervision_adapter; assert 'supervision' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
