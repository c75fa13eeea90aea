"""What users name as a source."""

from __future__ import annotations

import pytest

from fsrfer.core.errors import SourceError
from fsrfer.runtime.sources import SourceKind, parse_source, parse_sources


def test_a_number_is_a_camera():
    spec = parse_source("00")
    assert (spec.kind, spec.name, spec.location) == (SourceKind.CAMERA, "camera 0", "0")


@pytest.mark.parametrize("scheme", ["rtsp", "rtsps", "http", "https", "RTSP"])
def test_addresses_are_named_without_their_credentials(scheme):
    spec = parse_source(f"{scheme}://joe:pw@cam/s")
    assert (spec.kind, spec.name) == (SourceKind.NETWORK, f"{scheme}://***@cam/s")
    assert spec.location == f"{scheme}://joe:pw@cam/s"
    assert "pw" not in repr(spec)


def test_an_unknown_scheme_is_refused_without_repeating_the_password():
    with pytest.raises(SourceError, match=r"cannot read gopher://\*\*\*@cam/s") as caught:
        parse_source("gopher://joe:pw@cam/s")
    assert "pw" not in str(caught.value)


def test_files_are_known_by_their_suffix(tmp_path):
    for name in ("clip.MP4", "face.JPG"):
        (tmp_path / name).touch()
    assert parse_source(str(tmp_path / "clip.MP4")).kind is SourceKind.VIDEO
    assert parse_source(str(tmp_path / "face.JPG")).pictures == (tmp_path / "face.JPG",)


def test_a_folder_gives_its_pictures_by_name(tmp_path):
    for name in ("b.png", "a.jpg", "notes.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in parse_source(str(tmp_path)).pictures] == ["a.jpg", "b.png"]


def test_what_cannot_be_a_source_says_why(tmp_path):
    (tmp_path / "notes.txt").touch()
    cases = {
        str(tmp_path / "none.mp4"): "there is no file",
        str(tmp_path / "notes.txt"): "found the suffix '.txt'",
        str(tmp_path): "has no pictures.*found 1 other",
        "/dev/video99": "there is no camera /dev/video99",
    }
    for text, message in cases.items():
        with pytest.raises(SourceError, match=message):
            parse_source(text)


def test_sources_of_one_name_are_numbered():
    specs = parse_sources(["rtsp://a:1@cam/s", "0", "rtsp://b:2@cam/s"])
    assert [spec.name for spec in specs] == ["rtsp://***@cam/s", "camera 0", "rtsp://***@cam/s#2"]
    assert [spec.location for spec in specs] == ["rtsp://a:1@cam/s", "0", "rtsp://b:2@cam/s"]
