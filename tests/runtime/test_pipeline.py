"""The whole pipeline on real clips, with a real detector and a real graph."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import cv2
import numpy as np
import pytest

from fsrfer.core.errors import InputSpecError, UsageError
from fsrfer.core.predictions import ExpressionPredictions
from fsrfer.runtime.classifier import ExpressionClassifier
from fsrfer.runtime.detection import DetectorConfig, FaceDetections, open_detector
from fsrfer.runtime.frame import Clock, Frame
from fsrfer.runtime.groups import GroupConfig
from fsrfer.runtime.opening import open_bundle
from fsrfer.runtime.pipeline import PipelineOptions, StreamPipeline
from fsrfer.runtime.results import FrameResult
from fsrfer.runtime.scene import FollowOptions
from fsrfer.runtime.sinks import BackgroundSink
from fsrfer.runtime.sources import open_source, parse_sources
from fsrfer.runtime.telemetry import Stage


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
    score_threshold = 0.3

    def __init__(self, *boxes):
        self._boxes = np.array(boxes, np.float32).reshape(-1, 4)
        self.searched = 0

    def detect(self, frame):
        self.searched += 1
        return FaceDetections(self._boxes, np.full(len(self._boxes), 0.9, np.float32))

    def detect_batch(self, frames):
        return [self.detect(frame) for frame in frames]


class FullDisk:
    """A sink that can write nothing."""

    def write(self, result):
        raise OSError(28, "No space left on device")

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        pass


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


def test_the_report_says_what_a_sink_did_not_get(classifier, write_picture, tmp_path):
    paths = [write_picture(tmp_path / f"face{side}.png", side=side) for side in (12, 24, 36)]
    pipeline = StreamPipeline(sources_of(*paths), classifier, None)
    with BackgroundSink(FullDisk(), "lines") as sink:
        pipeline.run([sink])
    assert isinstance(sink.failure, OSError)
    assert pipeline.report().sink_drops == {"lines": 3}


class FadingDetector(FixedDetector):
    """Is less and less sure of its face, by frames; reports what it was configured for."""

    score_threshold = 0.65

    def __init__(self, scores, config=None, shown=None):
        super().__init__([50, 50, 70, 70])
        self.config = config or DetectorConfig()
        self._scores = scores
        self._shown = [] if shown is None else shown

    def with_config(self, config):
        return FadingDetector(self._scores, config, self._shown)

    def detect(self, frame):
        score = self._scores[len(self._shown)]
        self._shown.append(frame)
        least = self.config.score_threshold or self.score_threshold
        return FaceDetections(self._boxes, np.array([score], np.float32)).select(np.array([score >= least]))


def test_a_weak_detection_keeps_a_face_and_never_begins_one(shared, classifier):
    detector = FadingDetector([0.5, 0.9, 0.5, 0.4, 0.2, 0.4])
    options = PipelineOptions(max_frames=6)
    pipeline = StreamPipeline(sources_of(shared / "media" / "clips" / "classroom.mp4"), classifier, detector, options)
    results = list(pipeline.results())
    found = [result.tracks.ids[result.tracks.is_detected].tolist() for result in results]
    assert found == [[], [1], [1], [1], [], [1]]


def test_a_picture_shows_what_the_detector_is_sure_of(write_picture, classifier, tmp_path):
    paths = [write_picture(tmp_path / f"{index}.png", side=100) for index in range(3)]
    pipeline = StreamPipeline(sources_of(*paths), classifier, FadingDetector([0.5, 0.9, 0.64]))
    assert sorted(len(result) for result in pipeline.results()) == [0, 0, 1]


class CrowdDetector(FixedDetector):
    """Finds as many faces as there is room for."""

    def detect(self, frame):
        height, width = frame.shape[:2]
        columns, rows = np.meshgrid(np.arange(0, width - 12, 16), np.arange(0, height - 12, 16))
        corners = np.stack([columns.ravel(), rows.ravel()], axis=1).astype(np.float32)[:500]
        boxes = np.concatenate([corners, corners + 12], axis=1)
        return FaceDetections(boxes, np.full(len(boxes), 0.9, np.float32))


@pytest.mark.parametrize("is_followed", [True, False])
def test_five_hundred_faces_in_a_frame_are_all_read(shared, classifier, is_followed):
    sources = sources_of(shared / "media" / "clips" / "classroom.mp4")
    options = PipelineOptions(max_frames=4, follow=FollowOptions() if is_followed else None)
    results = list(StreamPipeline(sources, classifier, CrowdDetector(), options).results())
    assert [len(result) for result in results] == [500] * 4
    assert not any(result.predictions.abstained.any() for result in results)
    if is_followed:
        assert all(sorted(result.tracks.ids) == list(range(1, 501)) for result in results)


@pytest.mark.parametrize("size", [(1, 1), (7680, 4320)], ids=["1x1", "8K"])
def test_frames_of_any_size_go_through_and_the_others_go_on(
    shared, classifier, detector, write_picture, tmp_path, size
):
    odd = tmp_path / "odd.png"
    assert cv2.imwrite(str(odd), np.full((size[1], size[0], 3), 90, np.uint8))
    clip = shared / "media" / "clips" / "classroom.mp4"
    pipeline = StreamPipeline(sources_of(odd, clip), classifier, detector, PipelineOptions(max_frames=3))
    results = list(pipeline.results())
    assert pipeline.report().failed == ()
    assert [len(result) for result in results if result.frame.width == size[0]] == [0]
    assert [len(result) for result in results if result.frame.width == 480] == [4] * 3


@pytest.mark.parametrize("lanes", [1, 3])
def test_results_do_not_depend_on_the_other_sources_or_on_the_lanes(shared, classifier, detector, lanes):
    clips = [shared / "media" / "clips" / name for name in ("classroom.mp4", "face-demographics-walking.mp4")]
    options = PipelineOptions(max_frames=10)
    together, alone = Recorder(), Recorder()
    StreamPipeline(sources_of(*clips), classifier, detector, replace(options, detect_lanes=lanes)).run([together])
    for clip in clips:
        StreamPipeline(sources_of(clip), classifier, detector, options).run([alone])
    for clip in clips:
        mixed = [result for result in together.results if result.frame.source == str(clip)]
        pure = [result for result in alone.results if result.frame.source == str(clip)]
        assert [result.frame.index for result in mixed] == [result.frame.index for result in pure] == list(range(10))
        for one, other in zip(mixed, pure, strict=True):
            assert np.array_equal(one.boxes, other.boxes)
            assert np.array_equal(one.tracks.ids, other.tracks.ids)
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
    # The four that waited for their batch, and the one that may be searched meanwhile.
    assert results in ([0, 1, 2, 3], [0, 1, 2, 3, 4])


def test_leaving_the_results_early_stops_the_reading(classifier, shared):
    pipeline = StreamPipeline(sources_of(shared / "media" / "clips" / "classroom.mp4"), classifier, FixedDetector())
    results = pipeline.results()
    next(results)
    results.close()
    assert pipeline.report().frames == 1


def test_crops_are_views_on_the_frame(classifier):
    pipeline = StreamPipeline([_Nothing()], classifier, FixedDetector([10, 10, 30, 30]))
    frame = Frame("a", 0, 0.0, Clock.STREAM, np.zeros((60, 80, 3), np.uint8))
    (found,) = pipeline._search.find([frame])
    pending = pipeline._prepared(frame, found)
    assert np.shares_memory(pending.crops[0], frame.image)


def test_a_frame_is_searched_now_and_then_and_faces_stay_in_between(classifier, shared):
    detector = FixedDetector([50, 50, 70, 70])
    options = PipelineOptions(max_frames=7, detect_every=3)
    results = list(
        StreamPipeline(
            sources_of(shared / "media" / "clips" / "classroom.mp4"), classifier, detector, options
        ).results()
    )
    assert detector.searched == 3
    assert [len(result) for result in results] == [1] * 7
    assert [bool(result.tracks.is_detected[0]) for result in results] == [True, False, False, True, False, False, True]
    assert {int(result.tracks.ids[0]) for result in results} == {1}
    for result in results:
        np.testing.assert_allclose(result.boxes, [[50, 50, 70, 70]], atol=1.0)


def test_a_tracked_face_is_not_read_in_every_frame(classifier, shared):
    options = PipelineOptions(max_frames=24)
    pipeline = StreamPipeline(
        sources_of(shared / "media" / "clips" / "classroom.mp4"), classifier, FixedDetector([50, 50, 70, 70]), options
    )
    results = list(pipeline.results())
    read = [bool(result.tracks.was_read[0]) for result in results]
    assert read[0]
    assert 2 <= sum(read) <= 12
    report = pipeline.report()
    assert (report.faces, report.readings) == (24, sum(read))
    # What stands from before does not change.
    for before, after in pairwise(results):
        if not after.tracks.was_read[0]:
            np.testing.assert_allclose(before.predictions.probabilities, after.predictions.probabilities, atol=1e-6)


def test_nobody_is_followed_unless_asked(classifier, shared):
    options = PipelineOptions(max_frames=5, follow=None)
    pipeline = StreamPipeline(
        sources_of(shared / "media" / "clips" / "classroom.mp4"), classifier, FixedDetector([50, 50, 70, 70]), options
    )
    for result in pipeline.results():
        assert result.tracks is None
        alone = classifier.classify([result.frame.image[48:73, 48:73]])
        assert len(alone) == len(result)
    assert pipeline.report().readings == 5


def test_pictures_are_never_followed(classifier, write_picture, tmp_path):
    paths = [write_picture(tmp_path / f"scene{number}.png") for number in range(3)]
    pipeline = StreamPipeline(sources_of(*paths), classifier, FixedDetector([2, 2, 20, 20]))
    assert all(result.tracks is None for result in pipeline.results())


class BrokenRunner:
    """Gives no numbers for every second face."""

    def __init__(self, runner):
        self._runner = runner
        self.inputs, self.outputs = runner.inputs, runner.outputs

    def infer_each(self, feeds):
        for feed in feeds:
            found = {name: array.copy() for name, array in self._runner.infer(feed).items()}
            for array in found.values():
                array[1::2] = np.nan
            yield found


@pytest.mark.parametrize("follow", [True, False])
def test_a_model_that_gives_no_numbers_is_said_once_and_told_as_unknown(classifier, shared, caplog, follow):
    broken = ExpressionClassifier(BrokenRunner(classifier._runner), classifier.manifest)
    options = PipelineOptions(max_frames=6) if follow else PipelineOptions(max_frames=6, follow=None)
    detector = FixedDetector([50, 50, 70, 70], [100, 50, 120, 70])
    pipeline = StreamPipeline(sources_of(shared / "media" / "clips" / "classroom.mp4"), broken, detector, options)
    results = list(pipeline.results())
    assert len(results) == 6
    for result in results:
        is_known = np.isfinite(result.predictions.probabilities).all(axis=1)
        assert (is_known | result.predictions.abstained).all()
    labels = [{result.predictions.label_of(face) for face in range(2)} for result in results]
    assert all("unknown" in found and len(found) == 2 for found in labels[-1:])
    assert pipeline.report().invalid_readings >= 1
    assert caplog.text.count("gives no numbers") == 1


def test_times_of_all_stages_are_kept(classifier, shared):
    pipeline = StreamPipeline(
        sources_of(shared / "media" / "clips" / "classroom.mp4"),
        classifier,
        FixedDetector([50, 50, 70, 70]),
        PipelineOptions(max_frames=5),
    )
    pipeline.run([Recorder()])
    stages = pipeline.report().stages
    counts = {stage: histogram.count for stage, histogram in stages.items()}
    assert counts[Stage.DETECT] == counts[Stage.TRACK] == counts[Stage.CROP] == counts[Stage.SINK] == 5
    assert counts[Stage.QUEUE] == counts[Stage.SMOOTH] == 5
    assert counts[Stage.CLASSIFY] >= 1
    assert counts[Stage.WAIT] == 0  # a recording waits for us


def test_groups_are_summed_up_beside_the_frames(classifier, shared):
    class WindowRecorder:
        def __init__(self):
            self.windows = []

        def write_window(self, window):
            self.windows.append(window)

    options = PipelineOptions(groups=GroupConfig(window_s=1.0))
    recorder = WindowRecorder()
    pipeline = StreamPipeline(
        sources_of(shared / "media" / "clips" / "classroom.mp4"), classifier, FixedDetector([50, 50, 70, 70]), options
    )
    report = pipeline.run([], window_sinks=[recorder])
    assert [window.start_s for window in recorder.windows] == [0.0, 1.0, 2.0, 3.0]
    assert sum(window.frames for window in recorder.windows) == report.frames == 45
    assert {window.people for window in recorder.windows} == {1}


def test_sources_come_and_go_while_it_runs(classifier, shared, write_picture, tmp_path):
    clip = shared / "media" / "clips" / "classroom.mp4"
    pipeline = StreamPipeline(sources_of(clip), classifier, FixedDetector([2, 2, 20, 20]))
    (extra,) = sources_of(write_picture(tmp_path / "late.png"))
    seen = []
    for result in pipeline.results():
        if not seen:
            pipeline.add(extra)
        seen.append(result.frame.source)
        if extra.name in seen and str(clip) in seen:
            pipeline.remove(str(clip))
            pipeline.remove("never there")
    assert extra.name in seen
    assert [status.name for status in pipeline.report().sources] == [extra.name]


def test_the_tick_comes_while_nothing_does(classifier):
    class Silent:
        name = "silent"
        reconnects = 0

        def frames(self, stop):
            stop.wait()
            yield from ()

    ticks = []
    pipeline = StreamPipeline([Silent()], classifier, FixedDetector())

    def tick():
        ticks.append(1)
        if len(ticks) == 2:
            pipeline.stop()

    assert list(pipeline.results(tick)) == []
    assert len(ticks) == 2


class _Nothing:
    name = "nothing"
    reconnects = 0

    def frames(self, stop):
        yield from ()


@pytest.mark.parametrize(
    "options", [{"max_wait_s": -1}, {"max_pending_frames": 0}, {"detect_batch": 0}, {"detect_lanes": 0}]
)
def test_impossible_options(options):
    with pytest.raises(UsageError, match="impossible pipeline options"):
        PipelineOptions(**options)


def test_faces_that_nobody_follows_must_be_searched_in_every_frame():
    with pytest.raises(UsageError, match="only where they are followed"):
        PipelineOptions(follow=None, detect_every=2)


def test_a_result_needs_one_prediction_a_face():
    empty = ExpressionPredictions(
        ("a", "b"), np.empty((0, 2), np.float32), np.empty(0, np.int64), np.empty(0, np.float32), np.empty(0, np.bool_)
    )
    frame = Frame("a", 0, 0.0, Clock.STREAM, np.zeros((6, 8, 3), np.uint8))
    with pytest.raises(InputSpecError, match="predictions do not belong"):
        FrameResult(frame, empty, None)
