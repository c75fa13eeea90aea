"""The page of a pipeline: it says what the profile says, and needs no other file."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from fsrfer.core import Precision
from fsrfer.core.environment import read_environment
from fsrfer.export.profile_page import write_pipeline_page
from fsrfer.runtime.profiling.clocks import ClockReport
from fsrfer.runtime.profiling.frame_costs import Part
from fsrfer.runtime.profiling.machine_watch import EnergyReport, MachineReport
from fsrfer.runtime.profiling.pipeline_profile import (
    BatchCount,
    Cost,
    PartRow,
    PipelineProfile,
    PipelineProfileReport,
    SourceRow,
    ThreadRow,
    Times,
)
from fsrfer.runtime.profiling.pipeline_setup import PipelineSetup
from fsrfer.runtime.profiling.statistics import Stability
from fsrfer.runtime.profiling.steadiness import Steadiness, Third

SETUP = PipelineSetup(
    "tiny", "model.int8-cpu.onnx", Precision.INT8, "CPUExecutionProvider", "c0ffee" * 10, "decade" * 10, 1, 64,
    "yunet, score from 0.65", 640, 8.0, None, 3, 2, follows=True, max_staleness_s=None,
)  # fmt: skip


def times(p50: float, count: int = 30) -> Times:
    return Times(count, 1.1 * p50, p50, 1.5 * p50, 2 * p50, 3 * p50, 4 * p50)


@pytest.fixture
def report():
    for package in ("matplotlib", "jinja2"):
        pytest.importorskip(package)
    profile = PipelineProfile(
        seconds=9.0,
        parts=(
            PartRow(Part.DECODE, False, times(2.0), 0.1),
            PartRow(Part.QUEUE, True, times(11.0), 0.55),
            PartRow(Part.CLASSIFY, False, times(7.0), 0.34),
        ),
        age=times(20.0),
        residual=times(0.2),
        sources=(
            SourceRow("<camera>", True, 30, times(20.0), {"replaced": 7}, 0.189, {"behind": 2}),
            SourceRow("silent", None, 0, None, {}, 0.0, {}),
        ),
        threads=(ThreadRow("fsrfer-pipeline", 0.42),),
        batches=(BatchCount(8, 12), BatchCount(None, 1)),
        cost=Cost(3.3, 33.0, 11.0, 0.7, {"detection": 0.5}, 0.1, 12.0, 1.2, None),
        steadiness=Steadiness((Third(3.3, 20.0), Third(3.3, 21.0), Third(3.3, None)), Stability.DRIFTING),
        machine=MachineReport(
            EnergyReport(9.0, (), "no sensor"), ClockReport(None, None, None, None, None, None, ("cpufreq-cpu0",))
        ),
        lost_spans=0,
    )  # fmt: skip
    return PipelineProfileReport(SETUP, "2026-01-01T00:00:00+00:00", 2.0, profile, read_environment())


def page_of(report: PipelineProfileReport, folder) -> str:
    write_pipeline_page(report, folder / "pipeline.html")
    return (folder / "pipeline.html").read_text(encoding="utf-8")


def test_it_says_what_the_profile_says(report, tmp_path):
    text = page_of(report, tmp_path)
    told = (
        *("(queue)", "55%", "18.9%", "7 replaced", "2 behind", "c0ffeec0ffeec0ff", "decadedecadedeca", "640 px"),
        *("every 3. frame", "2 lanes", "up to 8: 12", "more: 1", "not measured (no sensor)", "held down"),
    )
    for words in told:
        assert words in text, words
    assert "<camera>" not in text
    assert "Not steady" in text
    assert text.count("<svg") == 2
    assert not re.findall(r"<script|<link|<img|https?://(?!www\.w3\.org)", text)
    figures = "".join(re.findall(r"<svg.*?</svg>", text, re.DOTALL))
    assert "Frames wait for 55% of their time." in text
    assert set(re.findall(r"#[0-9a-f]{6}\b", figures)) <= {"#000000", "#ffffff"}


def test_steady_ones_and_short_ones_say_so(report, tmp_path):
    for stability, told in ((Stability.STABLE, "Steady: "), (Stability.TOO_SHORT, "Too short to tell")):
        profile = replace(report.profile, steadiness=replace(report.profile.steadiness, stability=stability))
        assert told in page_of(replace(report, profile=profile), tmp_path)


def test_a_pipeline_without_results_has_a_page(report, tmp_path):
    profile = replace(report.profile, age=None, residual=None, parts=(), batches=())
    text = page_of(replace(report, profile=profile), tmp_path)
    assert "No result came out" in text
    assert "<svg" not in text
