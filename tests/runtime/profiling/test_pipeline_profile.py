"""Profiles of real pipelines on drawn clips: nothing is counted twice, nothing is forgotten."""

from __future__ import annotations

import time

import numpy as np
import pytest

from fsrfer.core.errors import SourceError, UsageError
from fsrfer.datasets.procedural import CrowdClip, write_clip, write_ground_truth
from fsrfer.runtime.detection import FaceDetections
from fsrfer.runtime.opening import open_bundle
from fsrfer.runtime.pipeline import PipelineOptions, StreamPipeline
from fsrfer.runtime.profiling.frame_costs import Part
from fsrfer.runtime.profiling.pipeline_profile import Times, ages_of, profile_window
from fsrfer.runtime.profiling.processor_time import ThreadKind, processor_time
from fsrfer.runtime.profiling.span_journal import SpanJournal
from fsrfer.runtime.profiling.window import run_window
from fsrfer.runtime.recorded_boxes import RecordedBoxes
from fsrfer.runtime.sources import open_source, parse_sources
from fsrfer.runtime.sources.replay import ReplaySource

FRAMES = 24


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("profile") / "crowd.mp4"
    crowd = CrowdClip(width=160, height=96, seconds=FRAMES / 12, people=4, face_px=(8, 20))
    write_clip(crowd, path)
    write_ground_truth(crowd, path.with_suffix(".jsonl"))
    return path


@pytest.fixture(scope="module")
def classifier(make_bundle, tmp_path_factory):
    folder = tmp_path_factory.mktemp("profile-bundle") / "bundle"
    make_bundle(folder)
    with open_bundle(folder, threads=1, max_batch=8) as opened:
        yield opened


class SlowDetector:
    """Finds one face, and takes its time."""

    name = "slow"
    score_threshold = 0.3

    def __init__(self, seconds):
        self._seconds = seconds

    def detect_batch(self, images):
        time.sleep(self._seconds * len(images))
        return [FaceDetections(np.array([[4, 4, 20, 20]], np.float32), np.ones(1, np.float32)) for _ in images]


def recorded(clip, classifier, **limits):
    journal = SpanJournal()
    sources = [open_source(spec) for spec in parse_sources([str(clip)])]
    pipeline = StreamPipeline(sources, classifier, RecordedBoxes(clip.with_suffix(".jsonl")), listener=journal)
    return run_window(pipeline, journal, [], **{"warmup_s": 0.0, "seconds": 60.0, **limits})


def filmed(clip, classifier, detector, cameras=1, fps=50.0, **limits):
    journal = SpanJournal()
    sources = [ReplaySource(clip, f"camera {index}", fps) for index in range(cameras)]
    pipeline = StreamPipeline(sources, classifier, detector, PipelineOptions(), listener=journal)
    return run_window(pipeline, journal, [], **{"warmup_s": 0.0, "seconds": 1.0, **limits})


def test_a_whole_recording_is_in_the_profile(clip, classifier):
    window = recorded(clip, classifier)
    # The first tick, with which the window begins, comes after the first step: its frame may be missing.
    assert FRAMES - 2 <= len(window.costs) <= FRAMES
    profile = profile_window(window)
    (source,) = profile.sources
    assert (source.is_live, source.frames, source.dropped) == (False, len(window.costs), {})
    rows = {row.part: row for row in profile.parts}
    assert set(rows) == set(Part) - {Part.DETECT}  # the boxes are known
    assert {row.times.count for row in profile.parts} == {len(window.costs)}
    assert profile.cost.faces_per_second * window.seconds == pytest.approx(window.faces)
    assert profile.cost.cpu_ms_per_face == pytest.approx(1e3 * window.processor.total_s / window.faces)


def test_the_parts_and_the_residual_are_the_age(clip, classifier):
    window = filmed(clip, classifier, SlowDetector(0.03), cameras=2, fps=10.0)
    profile = profile_window(window)
    in_parts = sum(row.times.mean_ms * row.times.count for row in profile.parts)
    whole = profile.age.mean_ms * profile.age.count
    assert in_parts + profile.residual.mean_ms * profile.residual.count == pytest.approx(whole)
    assert sum(row.share for row in profile.parts) == pytest.approx(in_parts / whole)
    # Ages come from the wall's clock at the last sink, parts from the stages: they agree but for what lies between.
    assert abs(profile.residual.p50_ms) < 0.2 * profile.age.p50_ms
    assert profile.age.count == sum(row.frames for row in profile.sources) == len(window.costs)
    assert sum(row.runs for row in profile.batches) > 0


def test_drops_stand_beside_the_age(clip, classifier):
    window = filmed(clip, classifier, SlowDetector(0.05))
    (source,) = profile_window(window).sources
    assert source.is_live
    assert source.dropped["replaced"] > 0
    assert 0 < source.dropped_share < 1
    before, after = window.before.sources[0], window.after.sources[0]
    assert sum(source.dropped.values()) == after.dropped - before.dropped


def test_a_stage_that_takes_long_is_the_one_that_shows(clip, classifier):
    window = filmed(clip, classifier, SlowDetector(0.2), fps=4.0, seconds=1.5)
    profile = profile_window(window)
    rows = {row.part: row for row in profile.parts}
    assert rows[Part.DETECT].times.p50_ms >= 200.0
    assert max(profile.parts, key=lambda row: row.share).part is Part.DETECT
    assert {row.name for row in profile.threads} == {"decode camera 0", "fsrfer-detect 0", "fsrfer-pipeline"}


def test_the_warm_up_is_not_measured(clip, classifier):
    window = filmed(clip, classifier, SlowDetector(0.001), warmup_s=1.0, seconds=0.5)
    assert window.before.frames > 0
    assert min(cost.end_s for cost in window.costs) >= window.begin_s
    assert window.seconds >= 0.5
    assert len(ages_of(window, "camera 0")) == len(window.costs)
    assert len(ages_of(window, "nobody")) == 0


def test_sources_that_end_too_early_or_fail_are_told(clip, classifier, tmp_path):
    with pytest.raises(UsageError, match="warm-up"):
        recorded(clip, classifier, warmup_s=60.0)
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    with pytest.raises(SourceError, match="cannot read the video camera 0"):
        filmed(tmp_path / "broken.mp4", classifier, SlowDetector(0), warmup_s=60.0)


def test_listening_changes_no_result(clip, classifier):
    def results(listener):
        sources = [open_source(spec) for spec in parse_sources([str(clip)])]
        boxes = RecordedBoxes(clip.with_suffix(".jsonl"))
        return list(StreamPipeline(sources, classifier, boxes, listener=listener).results())

    for one, other in zip(results(None), results(SpanJournal()), strict=True):
        assert np.array_equal(one.boxes, other.boxes)
        assert np.array_equal(one.predictions.probabilities, other.predictions.probabilities)


def test_times_of_nothing_are_nothing():
    assert Times.of(np.empty(0)) is None


def test_processor_time_goes_to_who_used_it():
    before = processor_time()
    deadline = time.process_time() + 0.2
    while time.process_time() < deadline:
        sum(range(1000))
    used = processor_time().since(before)
    assert used.total_s >= 0.15
    assert used.by_kind_s[ThreadKind.PIPELINE] >= 0.1
    assert used.by_kind_s[ThreadKind.PIPELINE] == max(used.by_kind_s.values())
    assert used.others_s is None or used.others_s >= 0
