"""The whole pipeline on real clips, with a real detector and a real graph."""

from __future__ import annotations

import numpy as np
import pytest

from fsrfer.core.errors import InputSpecError, UsageError
from fsrfer.core.predictions import ExpressionPredictions
from fsrfer.runtime.detection import DetectorConfig, FaceDetections, open_detector
from fsrfer.runtime.frame import Clock, Frame
from fsrfer.runtime.opening import open_bundle
from fsrfer.runtime.pipeline import PipelineOptions, StreamPipeline
from fsrfer.runtime.results import FrameResult
from fsrfer.runtime.sources import open_source, parse_sources


@pytest.fixture
def classifier(make_bundle, tmp_path):
    make_bundle(tmp_path / "bundle")
    with open_bundle(tmp_path / "bundle", threads=1, max_batch=16) as opened:
        yield opened


@pytest.fixture
def detector(shared):
    config = DetectorConfig(max_side=640)
    with open_detector(f"yunet:{shared / 'models' / 'yunet_n_dynamic.onnx'}", config, threads=1) as opened:
        yield opened


def sources_of(*paths):
    return [open_source(spec) for spec in parse_sources(str(path) for path in paths)]


class FixedDetector:
    """Finds the same faces in every frame."""

    name = "fixed"
    score_threshold = 0.5

    def __init__(self, *boxes):
        self._boxes = np.array(boxes, np.float32).reshape(-1, 4)

    def detect(self, frame):
        return FaceDetections(self._boxes, np.full(len(self._boxes), 0.9, np.float32))


class Recorder:
    """A sink that keeps everything."""

    def __init__(self):
        self.results = []

    def write(self, result):
        self.results.append(result)


def test_a_class_room_has_four_faces_in_every_frame(shared, classifier, detector):
    pipeline = StreamPipeline(sources_of(shared / "media" / "clips" / "classroom.mp4"), classifier, detector)
    results = list(pipeline.results())
    assert [result.frame.index for result in results] == list(range(45))
    assert {len(result) for result in results} == {4}
    report = pipeline.report()
    assert (report.frames, report.faces, report.failed, report.dropped) == (45, 180, (), 0)
    # 90 x 50 pixels around the man at the back, read off the clip
    first = results[0].boxes
    assert np.any((first[:, 0] > 120) & (first[:, 2] < 150) & (first[:, 1] > 110) & (first[:, 3] < 150))


def test_results_do_not_depend_on_the_other_sources(shared, classifier, detector):
    clips = [shared / "media" / "clips" / name for name in ("classroom.mp4", "face-demographics-walking.mp4")]
    options = PipelineOptions(max_frames=10)
    together, alone = Recorder(), Recorder()
    StreamPipeline(sources_of(*clips), classifier, detector, options).run([together])
    for clip in clips:
        StreamPipeline(sources_of(clip), classifier, detector, options).run([alone])
    for clip in clips:
        mixed = [result for result in together.results if result.frame.source == str(clip)]
        pure = [result for result in alone.results if result.frame.source == str(clip)]
        assert [result.frame.index for result in mixed] == [result.frame.index for result in pure] == list(range(10))
        for one, other in zip(mixed, pure, strict=True):
            assert np.array_equal(one.boxes, other.boxes)
            np.testing.assert_allclose(one.predictions.probabilities, other.predictions.probabilities, atol=1e-6)


def test_crops_are_those_of_the_boxes_with_the_margin_of_the_bundle(tmp_path, make_bundle, write_picture):
    make_bundle(tmp_path / "wide", crop_margin=0.25)
    path = write_picture(tmp_path / "scene.png")
    with open_bundle(tmp_path / "wide", threads=1) as classifier:
        detector = FixedDetector([10, 10, 30, 26], [0, 0, 8, 8])
        (result,) = StreamPipeline(sources_of(path), classifier, detector).results()
    assert result.predictions.face_size_px.tolist() == [30.0, 12.0]  # longer side and half of it again


def test_ready_made_faces_are_classified_whole(classifier, write_picture, tmp_path):
    paths = [write_picture(tmp_path / f"face{side}.png", side=side) for side in (12, 24)]
    pipeline = StreamPipeline(sources_of(*paths), classifier, None)
    # Two sources: which of them is decoded first is not said.
    results = sorted(pipeline.results(), key=lambda result: result.predictions.face_size_px.tolist())
    assert [result.predictions.face_size_px.tolist() for result in results] == [[12.0], [24.0]]
    assert results[0].boxes.tolist() == [[0, 0, 12, 12]]
    alone = classifier.classify([results[0].frame.image])
    np.testing.assert_allclose(results[0].predictions.probabilities, alone.probabilities, atol=1e-6)


def test_a_broken_source_does_not_stop_the_others(classifier, write_picture, tmp_path, caplog):
    whole = write_picture(tmp_path / "whole.png")
    broken = write_picture(tmp_path / "broken.png")
    broken.write_bytes(broken.read_bytes()[:-20])
    recorder = Recorder()
    report = StreamPipeline(sources_of(broken, whole), classifier, FixedDetector([2, 2, 20, 20])).run([recorder])
    assert [result.frame.source for result in recorder.results] == [str(whole)]
    assert [status.name for status in report.failed] == [str(broken)]
    assert caplog.text.count("is cut off") == 1


def test_a_stop_gives_out_the_frames_in_hand(classifier, shared):
    pipeline = StreamPipeline(
        sources_of(shared / "media" / "clips" / "classroom.mp4"),
        classifier,
        FixedDetector([50, 50, 70, 70]),
        PipelineOptions(max_pending_frames=4),
    )
    results = []
    for result in pipeline.results():
        results.append(result.frame.index)
        pipeline.stop()
    assert results == [0, 1, 2, 3]


def test_leaving_the_results_early_stops_the_reading(classifier, shared):
    pipeline = StreamPipeline(sources_of(shared / "media" / "clips" / "classroom.mp4"), classifier, FixedDetector())
    results = pipeline.results()
    next(results)
    results.close()
    assert pipeline.report().frames == 1


def test_crops_are_views_on_the_frame(classifier):
    pipeline = StreamPipeline([_Nothing()], classifier, FixedDetector([10, 10, 30, 30]))
    frame = Frame("a", 0, 0.0, Clock.STREAM, np.zeros((60, 80, 3), np.uint8))
    pending = pipeline._detect(frame)
    assert np.shares_memory(pending.crops[0], frame.image)


class _Nothing:
    name = "nothing"
    reconnects = 0

    def frames(self, stop):
        yield from ()


@pytest.mark.parametrize("options", [{"max_wait_s": -1}, {"max_pending_frames": 0}])
def test_impossible_options(options):
    with pytest.raises(UsageError, match="impossible pipeline options"):
        PipelineOptions(**options)


def test_a_result_needs_one_prediction_a_face():
    empty = ExpressionPredictions(
        ("a", "b"), np.empty((0, 2), np.float32), np.empty(0, np.int64), np.empty(0, np.float32), np.empty(0, np.bool_)
    )
    frame = Frame("a", 0, 0.0, Clock.STREAM, np.zeros((6, 8, 3), np.uint8))
    with pytest.raises(InputSpecError, match="predictions do not belong"):
        FrameResult(frame, empty, None)
