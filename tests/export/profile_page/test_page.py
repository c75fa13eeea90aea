"""The page of a profile: it needs no other file, says what the profile says, and takes its colours from the page."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from fsrfer.core import ArtifactKind
from fsrfer.export.layers import LayerConfig, measure_layers
from fsrfer.export.profile_page import write_profile_page
from fsrfer.runtime.profiling import ProfileConfig, ProfileReport, Stability, profile_bundle
from fsrfer.runtime.profiling.accuracy import AccuracyAtSize
from fsrfer.runtime.profiling.interference import Interference

BOTH = (ArtifactKind.ONNX_FP32, ArtifactKind.ONNX_INT8_CPU)


@pytest.fixture(scope="module")
def report(make_bundle, tmp_path_factory):
    for package in ("matplotlib", "jinja2"):
        pytest.importorskip(package)
    interval = {"value": 0.873, "low": 0.8, "high": 0.9}
    sizes = [{"face_size_px": 12, "count": 321, "accuracy": interval, "macro_f1": 0.512}]
    bundle = make_bundle(tmp_path_factory.mktemp("bundle"), kinds=BOTH).record(
        metrics={"test": {"sizes": sizes}},
        calibration={"cpu": {"agreement": 0.975, "agreement_by_size": {"12": 0.931}}},
        name="<b>bold</b>",
    )
    config = ProfileConfig(batches=(1, 4), threads=(1, 2), streams=(1, 2), seconds=0.02, warmup_seconds=0.0)
    layers = measure_layers(bundle, LayerConfig(batch=4, seconds=0.02, rounds=2))
    return replace(profile_bundle(bundle, config), layers=layers)


@pytest.fixture(scope="module")
def text(report, tmp_path_factory):
    return page_of(report, tmp_path_factory.mktemp("page"))


def page_of(report: ProfileReport, folder) -> str:
    write_profile_page(report, folder / "profile.html")
    return (folder / "profile.html").read_text(encoding="utf-8")


class Elements(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag not in ("meta", "link", "br", "img"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_it_says_what_the_profile_says(report, text):
    best = max(row.faces_per_second for row in report.rows if row.clock.value == "classify")
    for told in (
        f"{best:,.0f}",
        "87.3%",
        "0.512",
        "97.5%",
        "93.1% at 12 px",
        report.graphs[0].sha256[:16],
        report.created,
    ):
        assert told in text, told
    for heading in ("Latency against throughput", "Batch knee", "Time by part", "from the peak", "Slowest", "Roofline"):
        assert heading in text, heading
    assert text.count('<td><span class="dot"') == len(report.rows)
    assert "<b>bold</b>" not in text


def test_nothing_runs_and_nothing_is_loaded(text):
    elements = Elements(text)
    assert elements.open == []
    assert not {"script", "link", "iframe", "img"} & set(elements.tags)
    assert elements.tags.count("svg") == 6
    assert not re.findall(r"https?://", re.sub(r'xmlns(:\w+)?="[^"]*"', "", text))
    assert not re.findall(r"url\((?!#)|@import", text)


def test_figures_have_no_colour_of_their_own(text):
    figures = "".join(re.findall(r"<svg.*?</svg>", text, re.DOTALL))
    assert "var(--ink)" in figures
    assert "var(--int8)" in figures
    assert set(re.findall(r"#[0-9a-f]{6}\b", figures)) <= {"#000000", "#ffffff"}  # of clip paths and masks
    assert not re.search(r"(?:stroke|fill): #(?:000000|ffffff)", figures)
    named = set(re.findall(r"var\((--[a-z0-9-]+)\)", figures))
    defined = set(re.findall(r"(--[a-z0-9-]+):", text))
    assert named <= defined


def test_equal_profiles_have_equal_pages(report, text, tmp_path):
    assert page_of(report, tmp_path) == text


def test_drifting_rows_are_told_first(report, tmp_path):
    steady = replace(report, rows=tuple(replace(row, stability=Stability.STABLE) for row in report.rows))
    quiet = Interference(0.0, 0.0, 1.0)
    steady = replace(steady, layers=replace(steady.layers, interference=quiet))
    text = page_of(replace(steady, interference=quiet), tmp_path)
    assert f"All {len(report.rows)} rows are stable" in text
    assert "cores busy" not in text
    moving = replace(steady.rows[0], stability=Stability.DRIFTING)
    busy = Interference(1.25, 0.5, 0.0)
    text = page_of(replace(steady, rows=(moving, *steady.rows[1:]), interference=busy), tmp_path)
    assert f"1 of {len(report.rows)} rows drift" in text
    assert "1.25 cores busy" in text
    disturbed = replace(steady, interference=quiet, layers=replace(steady.layers, interference=busy))
    assert "While the layers were measured, other processes kept 1.25" in page_of(disturbed, tmp_path)


def test_the_accuracy_of_each_graph_goes_before_that_of_the_bundle(report, tmp_path):
    found = AccuracyAtSize(16.0, 400, 0.777, 0.7, 0.8, 0.654)
    graphs = (report.graphs[0], replace(report.graphs[1], accuracy=(found,)))
    text = page_of(replace(report, graphs=graphs), tmp_path)
    assert "int8, 16 px" in text
    assert "77.7%" in text
    assert "0.512" not in text


def test_a_profile_without_layers_has_a_page(report, tmp_path):
    text = page_of(replace(report, layers=None, accuracy=(), knees=(), speedups=()), tmp_path)
    assert "Roofline" not in text
    assert "Latency against throughput" in text


def test_one_graph_alone_has_a_page(report, tmp_path):
    layers = replace(report.layers, runs=report.layers.runs[:1])
    assert "Medians of traced runs." in page_of(replace(report, layers=layers), tmp_path)
