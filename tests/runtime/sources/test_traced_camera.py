"""A camera with a password, followed from its network to the sinks."""

from __future__ import annotations

import time

import numpy as np
import pytest

from fsrfer.runtime.detection import FaceDetections
from fsrfer.runtime.opening import open_bundle
from fsrfer.runtime.pipeline import StreamPipeline
from fsrfer.runtime.profiling.chrome_trace import TraceRecorder
from fsrfer.runtime.profiling.frame_costs import Part
from fsrfer.runtime.profiling.pipeline_profile import profile_window
from fsrfer.runtime.profiling.window import run_window
from fsrfer.runtime.sources import open_source, parse_source


class OneFace:
    name = "one face"
    score_threshold = 0.3

    def detect_batch(self, images):
        return [FaceDetections(np.array([[4, 4, 20, 20]], np.float32), np.ones(1, np.float32)) for _ in images]


def test_all_parts_of_a_cameras_way_are_known_and_its_password_is_in_no_file(start_camera, make_bundle, tmp_path):
    login = ("viewer", "s3cret-word")
    address = start_camera(login=login).address
    assert login[1] in address
    source = open_source(parse_source(address))
    make_bundle(tmp_path / "bundle")
    recorder = TraceRecorder()
    with open_bundle(tmp_path / "bundle", threads=1) as classifier:
        pipeline = StreamPipeline([source], classifier, OneFace(), listener=recorder)
        window = run_window(
            pipeline,
            recorder,
            [],
            warmup_s=1.5,
            seconds=1.5,
            on_tick=lambda: recorder.sample(pipeline.report(), time.monotonic()),
        )
    profile = profile_window(window)
    (row,) = profile.sources
    assert row.is_live
    assert row.frames > 0
    rows = {part.part: part for part in profile.parts}
    assert set(rows) == set(Part)
    assert rows[Part.DECODE].times.p50_ms > 0
    assert profile.residual.p50_ms == pytest.approx(0.0, abs=0.2 * profile.age.p50_ms)
    recorder.write(tmp_path / "trace.json")
    text = (tmp_path / "trace.json").read_text()
    assert "rtsp://" in text
    assert login[1] not in text
