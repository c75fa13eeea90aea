"""The report: one page that needs no other file and says what the bundle says."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from fsrfer.calibration import Int8Config, calibrate_int8
from fsrfer.core.errors import UsageError
from fsrfer.core.files import write_json
from fsrfer.core.options import Backend
from fsrfer.core.schema import to_mapping
from fsrfer.datasets import InMemoryFaces
from fsrfer.export.build_engine import build_engine
from fsrfer.export.engine_config import EngineBuildConfig
from fsrfer.export.report import ReportPicture, ReportTable, write_report
from fsrfer.export.verification import verify
from fsrfer.runtime.profiling import ProfileConfig, profile_bundle


def interval(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 0.02, "high": value + 0.02}


def row(size: int, accuracy: float) -> dict[str, object]:
    return {
        "face_size_px": size,
        "count": 321,
        "smaller_count": 0,
        "accuracy": interval(accuracy),
        "mean_class_accuracy": interval(accuracy - 0.1),
        "macro_f1": 0.5,
        "ece": 0.031,
        "nll": 1.0,
        "confusion": [[1, 0], [0, 1]],
    }


@pytest.fixture
def bundle(make_bundle, tmp_path):
    sizes = [row(48, 0.873), row(12, 0.641)]
    return make_bundle(tmp_path / "bundle").record(metrics={"test": {"sizes": sizes}}, name="<b>bold</b> model")


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def test_it_says_what_the_bundle_says_and_nothing_runs_or_loads(bundle, tmp_path):
    build_engine(bundle, EngineBuildConfig(backend=Backend.ONNXRUNTIME))
    picture = tmp_path / "small-faces.svg"
    picture.write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    write_report(bundle, tmp_path / "report.html", pictures=[ReportPicture.read(picture)])
    text = (tmp_path / "report.html").read_text()
    for told in ("87.3%", "64.1%", "54.1%", "Small faces", "engine: onnxruntime fp32", "321"):
        assert told in text, told
    assert "<b>bold</b>" not in text
    assert "&lt;b&gt;bold" in text
    tags = Tags()
    tags.feed(text)
    assert not [tag for tag, _ in tags.found if tag in ("script", "link", "iframe")]
    sources = [attrs["src"] for tag, attrs in tags.found if tag == "img"]
    assert sources
    assert all(source.startswith("data:image/") for source in sources)
    assert "<svg" in re.sub(r"data:image[^\"]*", "", text)


def test_it_names_no_other_place(bundle, tmp_path):
    """Neither in what is loaded nor in what could be followed; an SVG's namespaces are names, not places."""
    write_report(bundle, tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    assert not re.findall(r"https?://", re.sub(r'xmlns(:\w+)?="[^"]*"', "", text))
    assert not re.findall(r"url\((?!#)|@import", text)


def test_equal_bundles_have_equal_reports(bundle, tmp_path):
    write_report(bundle, tmp_path / "one.html")
    write_report(bundle, tmp_path / "other.html")
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "other.html").read_bytes()


def test_a_calibrated_bundle_shows_its_int8_graphs(bundle, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (48, 24, 24, 3), dtype=np.uint8)
    faces = InMemoryFaces(
        name="noise",
        split="train",
        labels=bundle.manifest.labels,
        images=images,
        label_indices=np.arange(48) % 3,
        sample_ids=[str(index) for index in range(48)],
    )
    config = Int8Config(samples=24, held_out=12, sizes=(24, 12), min_agreement=0.0)
    calibrated = calibrate_int8(bundle, faces, config)
    write_report(calibrated, tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    graph = calibrated.manifest.calibration["cpu"]
    assert "Ranges from 24 faces, checked on 12 others" in text
    assert f"<td>{graph['quantized']} of {graph['quantized'] + len(graph['float_nodes'])}</td>" in text
    assert f"<td>{graph['agreement']:.1%}</td>" in text


def test_latencies_come_from_a_profile(bundle, tmp_path):
    profile = profile_bundle(bundle, ProfileConfig(batches=(2,), seconds=0.05, warmup_seconds=0.01, rounds=3))
    write_json(tmp_path / "profile.json", to_mapping(profile))
    table = ReportTable.of_profile(tmp_path / "profile.json")
    assert [cells[:5] for cells in table.rows] == [
        ("fp32", "2", "1", "1", "model"),
        ("fp32", "2", "1", "1", "classify"),
    ]
    write_report(bundle, tmp_path / "report.html", profile=table)
    assert f"<td>{table.rows[0][5]}</td>" in (tmp_path / "report.html").read_text()


def test_a_bundle_that_was_never_evaluated_has_a_report(make_bundle, tmp_path):
    write_report(make_bundle(tmp_path / "bundle"), tmp_path / "report.html")
    assert "Accuracy by face size" not in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize("content", [None, "{", "{}"])
def test_what_is_no_profile_is_refused(tmp_path, content):
    path = tmp_path / "profile.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UsageError, match=r"profile\.json"):
        ReportTable.of_profile(path)


@pytest.mark.parametrize("name", ["absent.png", "notes.txt"])
def test_what_is_no_picture_is_refused(tmp_path, name):
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(UsageError, match="cannot be shown"):
        ReportPicture.read(tmp_path / name)


def test_forms_come_from_a_verification(bundle, tmp_path):
    faces = InMemoryFaces(
        name="noise",
        split="test",
        labels=bundle.manifest.labels,
        images=np.random.default_rng(0).integers(0, 256, (12, 32, 32, 3), dtype=np.uint8),
        label_indices=np.arange(12, dtype=np.int64) % len(bundle.manifest.labels),
        sample_ids=[str(index) for index in range(12)],
    )
    write_json(tmp_path / "verification.json", verify(bundle, faces, (24, 12)).to_json())
    table = ReportTable.of_verification(tmp_path / "verification.json")
    assert table.columns == ("form", "24 px", "12 px")
    assert table.rows[0][0] == "ONNX FP32"
    write_report(bundle, tmp_path / "report.html", verification=table)
    text = (tmp_path / "report.html").read_text()
    assert "Forms of the model" in text
    assert "12 faces, track clean" in text


@pytest.mark.parametrize("content", ["{}", "nothing", '{"forms": []}', '{"forms": [{"fidelity": null}]}'])
def test_what_is_no_verification_is_refused(tmp_path, content):
    (tmp_path / "verification.json").write_text(content)
    with pytest.raises(UsageError, match="is no verification"):
        ReportTable.of_verification(tmp_path / "verification.json")
