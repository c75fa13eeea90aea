"""The search for the number of cameras, on machines whose capacity is known, and on this one."""

from __future__ import annotations

import math
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsrfer.core.errors import UsageError
from fsrfer.core.processor import Processor
from fsrfer.datasets.procedural import CrowdClip, write_clip
from fsrfer.runtime.detection import FaceDetections
from fsrfer.runtime.opening import open_bundle
from fsrfer.runtime.pipeline import PipelineOptions, StreamPipeline
from fsrfer.runtime.profiling.capacity import CapacityConfig, judge_window, limit_of, measure_capacity
from fsrfer.runtime.profiling.capacity_search import find_most
from fsrfer.runtime.profiling.pipeline_profile import ThreadRow
from fsrfer.runtime.profiling.span_journal import SpanJournal
from fsrfer.runtime.profiling.window import run_window
from fsrfer.runtime.sources.replay import ReplaySource

PROCESSOR = Processor("two", 2, 2, 2, None, None)


@settings(deadline=None)
@given(st.integers(0, 300), st.integers(1, 300), st.integers(0, 3))
def test_the_largest_number_that_works_is_found_with_few_tries(limit, most, confirmations):
    tried = []

    def works(number):
        assert 1 <= number <= most
        tried.append(number)
        return number <= limit

    found = find_most(works, most, confirmations=confirmations)
    assert found == min(limit, most)
    assert len(tried) <= 2 * math.log2(most + 1) + 3 + confirmations


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40))
def test_a_moody_machine_is_praised_only_for_what_it_did_again(seed, limit):
    rng = np.random.default_rng(seed)
    log = []

    def works(number):
        log.append((number, number <= limit + rng.integers(-3, 2)))
        return log[-1][1]

    found = find_most(works, 64, confirmations=2)
    if found:
        assert [entry for entry in log if entry[0] == found][-2:] == [(found, True)] * 2
    assert found <= limit + 1


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("capacity") / "crowd.mp4"
    write_clip(CrowdClip(width=160, height=96, seconds=1.0, people=3, face_px=(8, 20)), path)
    return path


@pytest.fixture(scope="module")
def classifier(make_bundle, tmp_path_factory):
    folder = tmp_path_factory.mktemp("capacity-bundle") / "bundle"
    make_bundle(folder)
    with open_bundle(folder, threads=1) as opened:
        yield opened


class OneAtATime:
    """A detector that takes 40 ms a frame, as one that has a single accelerator to itself: 25 frames a second."""

    name = "one at a time"
    score_threshold = 0.3

    def detect_batch(self, images):
        time.sleep(0.04 * len(images))
        return [FaceDetections(np.array([[4, 4, 20, 20]], np.float32), np.ones(1, np.float32)) for _ in images]


def run_cameras(clip, classifier, config):
    def run(count):
        journal = SpanJournal()
        cameras = [ReplaySource(clip, f"camera {index}", config.fps, phase=index * 0.618 % 1) for index in range(count)]
        pipeline = StreamPipeline(cameras, classifier, OneAtATime(), PipelineOptions(), listener=journal)
        return run_window(pipeline, journal, [], warmup_s=config.warmup_s, seconds=config.seconds)

    return run


@pytest.fixture(scope="module")
def windows(clip, classifier):
    """What one camera and what twelve cameras of 5 frames a second showed, where the detector has time for five."""
    run = run_cameras(clip, classifier, CapacityConfig(fps=5.0, warmup_s=0.5, seconds=1.5))
    return run(1), run(12)


def test_more_cameras_than_the_detector_has_time_for_do_not_hold(windows):
    config = CapacityConfig(fps=5.0, bound_s=10.0, warmup_s=0.5, seconds=1.5)
    _, crowded = windows
    step = judge_window(crowded, 12, config)
    assert not step.holds
    assert step.dropped_share > 0.3
    assert any("dropped" in failure for failure in step.failures)
    assert step.offered_per_second == 60.0
    assert step.cost.frames_per_second < 30.0


def test_what_is_asked_decides(windows):
    alone, _ = windows
    lenient = CapacityConfig(bound_s=10.0, most_dropped=0.99)
    assert judge_window(alone, 1, lenient).holds
    strict = judge_window(alone, 1, replace(lenient, bound_s=0.02))  # the detector alone takes 40 ms
    assert any(failure.startswith("p95") for failure in strict.failures)


def test_the_busy_thread_is_named(windows):
    _, crowded = windows
    step = judge_window(crowded, 12, CapacityConfig())
    assert max(step.threads, key=lambda row: row.busy_share).name == "fsrfer-detect 0"
    calm = replace(step.cost, cores_used=0.3, cores_of_others=0.1)
    full = replace(step, cost=calm, threads=(ThreadRow("fsrfer-detect 0", 0.99),))
    assert limit_of(full, 2.0).startswith("one thread: fsrfer-detect 0")
    idle = replace(full, threads=(ThreadRow("fsrfer-detect 0", 0.2),), parts_ms={"slot": 90.0, "sink": 1.0})
    assert "slot (90 ms)" in limit_of(idle, 2.0)
    loaded = replace(step, cost=replace(calm, cores_used=1.0, cores_of_others=0.9))
    assert "other programs 0.9" in limit_of(loaded, 2.0)


def test_a_near_miss_is_tried_again_and_a_clear_one_is_not(windows):
    alone, crowded = windows
    p95_s = judge_window(alone, 1, CapacityConfig(bound_s=60.0, most_dropped=0.5)).age.p95_ms / 1e3
    near = CapacityConfig(bound_s=0.7 * p95_s, most_dropped=0.5, most_sources=1, confirmations=0)
    tried = measure_capacity(lambda count: alone, near, processor=PROCESSOR)
    assert (len(tried.steps), tried.sources) == (2, 0)
    clear = measure_capacity(lambda count: crowded, CapacityConfig(most_sources=8), processor=PROCESSOR)
    assert (len(clear.steps), clear.sources) == (1, 0)


def machine(windows, capacity):
    """A machine that carries so many cameras: its windows are real ones."""
    alone, crowded = windows
    return lambda count: alone if count <= capacity else crowded


LENIENT = CapacityConfig(bound_s=60.0, most_dropped=0.25, most_sources=40)


@settings(max_examples=20, deadline=None)
@given(capacity=st.integers(0, 60), margin=st.floats(0.1, 1.0))
def test_the_answer_has_its_margin_and_says_whether_it_is_the_end(windows, capacity, margin):
    config = replace(LENIENT, margin=margin)
    found = measure_capacity(machine(windows, capacity), config, processor=PROCESSOR)
    assert found.sources == min(capacity, 40)
    assert found.recommended <= margin * found.sources + 1e-6
    assert found.recommended > margin * found.sources - 1
    assert found.is_bounded == (capacity < 40)
    assert (found.limit is None) == (not found.is_bounded)


def test_a_list_is_tried_once_each_and_its_knee_is_below_the_first_that_failed(windows):
    steps = []
    config = replace(LENIENT, sources=(1, 2, 4, 8))
    found = measure_capacity(machine(windows, 3), config, steps.append, PROCESSOR)
    assert [step.sources for step in steps] == [1, 2, 4, 8]
    assert [step.holds for step in steps] == [True, True, False, False]
    assert (found.sources, found.is_bounded) == (2, True)


@pytest.mark.parametrize(
    "options",
    [
        *({"fps": 0}, {"bound_s": 0}, {"most_dropped": 1}, {"margin": 0}, {"seconds": 0}, {"most_sources": 0}),
        *({"sources": (0,)}, {"bound_s": float("nan")}, {"confirmations": -1}),
    ],
)
def test_impossible_questions_are_refused(options):
    with pytest.raises(UsageError):
        CapacityConfig(**options)
