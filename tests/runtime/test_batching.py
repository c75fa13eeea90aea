"""Shared batches."""

from __future__ import annotations

import numpy as np
import pytest

from fsrfer.core import ArtifactKind
from fsrfer.runtime import ExpressionClassifier, OnnxRuntimeRunner
from fsrfer.runtime.batching import FaceBatcher, PendingFrame
from fsrfer.runtime.detection import FaceDetections
from fsrfer.runtime.frame import Clock, Frame


class CountingRunner:
    """Passes batches on to a runner and notes their sizes."""

    def __init__(self, runner):
        self._runner = runner
        self.sizes = []
        self.inputs, self.outputs = runner.inputs, runner.outputs

    def infer(self, feed):
        self.sizes.append(len(feed["faces"]))
        return self._runner.infer(feed)

    def infer_each(self, feeds):
        return map(self.infer, feeds)


@pytest.fixture
def runner(make_bundle, tmp_path):
    bundle = make_bundle(tmp_path / "bundle")
    counting = CountingRunner(OnnxRuntimeRunner(bundle.artifact_path(ArtifactKind.ONNX_FP32)))
    counting.manifest = bundle.manifest
    return counting


def batcher_of(runner, *, max_batch=8, max_wait_s=0.5, max_frames=16):
    return FaceBatcher(
        ExpressionClassifier(runner, runner.manifest, max_batch=max_batch), max_wait_s=max_wait_s, max_frames=max_frames
    )


def pending(source="a", index=0, faces=3, clock=Clock.STREAM):
    rng = np.random.default_rng([index, faces])
    image = rng.integers(0, 255, (40, 40, 3), dtype=np.uint8)
    boxes = np.array([[x, 5, x + 12, 17] for x in range(faces)], np.float32).reshape(-1, 4)
    crops = [image[5:17, x : x + 12] for x in range(faces)]
    detections = FaceDetections(boxes, np.ones(faces, np.float32))
    return PendingFrame(Frame(source, index, float(index), clock, image), detections, crops)


def test_results_are_those_of_each_frame_alone(runner):
    frames = [pending("a", 0, 3), pending("b", 0, 0), pending("a", 1, 9)]
    batcher = batcher_of(runner)
    for frame in frames:
        batcher.add(frame, 0.0)
    together = batcher.flush()
    assert runner.sizes == [8, 4]  # 12 faces of three frames of two sources
    classifier = ExpressionClassifier(runner, runner.manifest)
    assert [frame for frame, _ in together] == frames
    assert [len(readings) for _, readings in together] == [3, 0, 9]
    for frame, readings in together:
        predictions = readings.predictions
        alone = classifier.classify(frame.crops)
        np.testing.assert_allclose(predictions.probabilities, alone.probabilities, atol=1e-6)
        assert np.array_equal(predictions.face_size_px, alone.face_size_px)


def test_recordings_wait_until_the_batch_is_full(runner):
    batcher = batcher_of(runner, max_batch=8)
    batcher.add(pending(index=0, faces=7), 0.0)
    assert batcher.patience_s(1000.0, 0) is None
    batcher.add(pending(index=1, faces=1), 1000.0)
    assert batcher.patience_s(1000.0, 0) == 0.0


def test_frames_without_faces_do_not_pile_up(runner):
    batcher = batcher_of(runner, max_frames=2)
    batcher.add(pending(index=0, faces=0), 0.0)
    assert batcher.patience_s(0.0, 0) is None
    batcher.add(pending(index=1, faces=0), 0.0)
    assert batcher.patience_s(0.0, 0) == 0.0


def test_a_single_live_source_never_waits(runner):
    batcher = batcher_of(runner)
    batcher.add(pending(faces=1, clock=Clock.WALL), 10.0)
    assert batcher.patience_s(10.0, 1) == 0.0


def test_live_sources_wait_for_each_other_but_not_long(runner):
    batcher = batcher_of(runner, max_wait_s=0.5)
    batcher.add(pending("a", faces=1, clock=Clock.WALL), 10.0)
    assert batcher.patience_s(10.0, 2) == pytest.approx(0.5)
    batcher.add(pending("a", 1, faces=1, clock=Clock.WALL), 10.3)
    assert batcher.patience_s(10.3, 2) == pytest.approx(0.2)
    assert batcher.patience_s(10.6, 2) == 0.0
    batcher.add(pending("b", faces=1, clock=Clock.WALL), 10.3)
    assert batcher.patience_s(10.3, 2) == 0.0


def test_a_flush_starts_anew(runner):
    batcher = batcher_of(runner)
    batcher.add(pending(faces=1, clock=Clock.WALL), 10.0)
    assert batcher.pending_frames == 1
    assert len(batcher.flush()) == 1
    assert batcher.pending_frames == 0
    assert batcher.flush() == []
    assert batcher.patience_s(10.0, 1) is None
    assert runner.sizes == [1]
