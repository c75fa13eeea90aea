"""Fetching, finding and proving YuNet's weights, from a web server of this machine."""

from __future__ import annotations

import hashlib
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from fsrfer.core.errors import DetectorError
from fsrfer.runtime.detection import fetch_yunet_weights, find_yunet_weights
from fsrfer.runtime.detection.yunet_weights import YUNET_NAME, YUNET_SHA256, YUNET_URL, read_yunet_weights


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files; ``/half`` promises more than it sends."""

    def do_GET(self) -> None:
        if self.path != "/half":
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"half")

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def mirror(tmp_path, yunet_file, monkeypatch) -> Iterator[str]:
    """Address of a web server that has YuNet's file, and another."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    folder = tmp_path / "mirror"
    folder.mkdir()
    shutil.copy(yunet_file, folder / "yunet.onnx")
    (folder / "other.onnx").write_bytes(b"another graph")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_file_that_was_measured_is_the_pinned_one(yunet_file):
    assert hashlib.sha256(yunet_file.read_bytes()).hexdigest() == YUNET_SHA256


def test_fetched_graph_lies_in_the_cache_with_a_note_on_its_licence(mirror, tmp_path):
    cache = tmp_path / "cache"
    path = fetch_yunet_weights(cache, f"{mirror}/yunet.onnx")
    assert path == cache / YUNET_NAME == find_yunet_weights(cache)
    assert hashlib.sha256(read_yunet_weights(path)).hexdigest() == YUNET_SHA256
    note = (cache / "yunet-n.LICENSE.txt").read_text()
    assert "Apache License 2.0" in note
    assert "libfacedetection.train" in note


def test_fetching_again_downloads_nothing(mirror, tmp_path):
    fetch_yunet_weights(tmp_path, f"{mirror}/yunet.onnx")
    assert fetch_yunet_weights(tmp_path, "http://127.0.0.1:9/nothing").is_file()


def test_a_damaged_file_is_refused_and_mended(mirror, tmp_path):
    (tmp_path / YUNET_NAME).write_bytes(b"half")
    with pytest.raises(DetectorError, match="not what fsrfer was tested with"):
        read_yunet_weights(find_yunet_weights(tmp_path))
    assert read_yunet_weights(fetch_yunet_weights(tmp_path, f"{mirror}/yunet.onnx"))


def test_another_file_is_refused_and_leaves_nothing(mirror, tmp_path):
    cache = tmp_path / "cache"
    with pytest.raises(DetectorError, match="what came for YuNet is not what fsrfer was tested with"):
        fetch_yunet_weights(cache, f"{mirror}/other.onnx")
    assert not cache.exists()


@pytest.mark.parametrize("path", ["absent.onnx", "half"])
def test_a_failed_download_says_what_to_do_and_keeps_the_address_to_itself(path, mirror, tmp_path):
    secret = mirror.replace("http://", "http://user:secret@")
    with pytest.raises(DetectorError, match="could not be downloaded") as caught:
        fetch_yunet_weights(tmp_path, f"{secret}/{path}")
    assert "secret" not in str(caught.value)
    assert YUNET_URL in caught.value.fix


def test_only_the_web_is_asked(tmp_path):
    with pytest.raises(DetectorError, match="expected https or http; found file"):
        fetch_yunet_weights(tmp_path, "file:///etc/passwd")


def test_a_folder_that_cannot_be_written_is_named(mirror, tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(DetectorError, match="cannot be written"):
        fetch_yunet_weights(tmp_path / "file" / "cache", f"{mirror}/yunet.onnx")


def test_absent_weights_say_how_to_get_them(tmp_path):
    with pytest.raises(DetectorError, match="were not fetched yet") as caught:
        find_yunet_weights(tmp_path)
    assert str(Path(tmp_path) / YUNET_NAME) in caught.value.fix
