"""What users name as a source."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from fsrfer.core.errors import SourceError
from fsrfer.runtime.sources import SourceKind, parse_source


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


def test_an_address_of_a_file_is_the_file(tmp_path):
    path = tmp_path / "a clip #1.mp4"
    path.touch()
    for address in (f"file://{quote(str(path))}", f"FILE://localhost{quote(str(path))}"):
        spec = parse_source(address)
        assert (spec.kind, spec.name, spec.location) == (SourceKind.VIDEO, str(path), str(path))
    with pytest.raises(SourceError, match=r"expected a path after file://.*found the host 'nas'"):
        parse_source("file://nas/clip.mp4")
    with pytest.raises(SourceError, match=r"cannot read file://\*\*\*@nas/clip.mp4") as caught:
        parse_source("file://joe:geheim@nas/clip.mp4")
    assert "geheim" not in str(caught.value)


def test_relative_paths_start_from_a_folder(tmp_path):
    (tmp_path / "clip.mp4").touch()
    assert parse_source("clip.mp4", folder=tmp_path).location == str(tmp_path / "clip.mp4")
    assert parse_source(str(tmp_path / "clip.mp4"), folder=tmp_path / "x").location == str(tmp_path / "clip.mp4")


def test_pipelines_and_bare_frames_are_known_by_their_prefix():
    spec = parse_source("gst:rtspsrc location=rtsp://joe:geheim@cam/s ! decodebin")
    assert (spec.kind, spec.name) == (SourceKind.PIPELINE, "gst:rtspsrc ! decodebin")
    spec = parse_source("raw:640x480:rgb24@25")
    assert (spec.kind, spec.name) == (SourceKind.RAW, "raw:640x480:rgb24@25")
    with pytest.raises(SourceError, match="cannot understand raw:640"):
        parse_source("raw:640")


def test_a_mistyped_address_does_not_show_its_password():
    with pytest.raises(SourceError, match=r"there is no file \*\*\*@cam/s") as caught:
        parse_source("rtsp:/joe:geheim@cam/s")
    assert "geheim" not in str(caught.value)
