"""Detectors by name."""

from __future__ import annotations

import shutil

import pytest

from fsrfer.core.errors import DetectorError, EngineBuildError, UsageError
from fsrfer.runtime.detection import DetectorConfig, TiledDetector, TilingConfig, open_detector
from fsrfer.runtime.detection.weights import ONNX_NAME
from fsrfer.runtime.detection.yunet_weights import YUNET_FETCH_COMMAND, YUNET_NAME


@pytest.mark.parametrize("spec", ["", "scrfd", "retinaface:", "yunet:", "scrfd:", "RetinaFace", "mtcnn:file.onnx"])
def test_unknown_detector_lists_what_is_known(spec):
    with pytest.raises(UsageError) as caught:
        open_detector(spec)
    known = "retinaface, yunet, retinaface:FILE.onnx, yunet:FILE.onnx, scrfd:FILE.onnx"
    assert str(caught.value.expected) == f"one of {known}"
    assert repr(spec) in caught.value.message


@pytest.mark.parametrize("family", ["retinaface", "yunet", "scrfd"])
def test_absent_file_is_named(family, tmp_path):
    with pytest.raises(DetectorError, match=r"no detector at .*nothing\.onnx"):
        open_detector(f"{family}:{tmp_path / 'nothing.onnx'}")


def test_file_that_is_no_graph_is_refused(tmp_path):
    path = tmp_path / "text.onnx"
    path.write_text("not a graph", encoding="utf-8")
    with pytest.raises(EngineBuildError, match=r"cannot load .*text\.onnx"):
        open_detector(f"yunet:{path}")


def test_retinaface_without_weights_says_how_to_fetch_them(tmp_path, monkeypatch):
    monkeypatch.setenv("FSRFER_CACHE", str(tmp_path))
    with pytest.raises(DetectorError) as caught:
        open_detector("retinaface")
    assert caught.value.fix == "fsrfer doctor --fetch-detector"


def test_yunet_without_weights_says_how_to_fetch_them(tmp_path, monkeypatch):
    monkeypatch.setenv("FSRFER_CACHE", str(tmp_path))
    with pytest.raises(DetectorError) as caught:
        open_detector("yunet")
    assert caught.value.fix.startswith(f"{YUNET_FETCH_COMMAND}, or save https://")


def test_yunet_from_the_cache(yunet_file, tmp_path, monkeypatch, group):
    monkeypatch.setenv("FSRFER_CACHE", str(tmp_path))
    (tmp_path / "detectors").mkdir()
    shutil.copy(yunet_file, tmp_path / "detectors" / YUNET_NAME)
    with open_detector("yunet", threads=1) as detector:
        assert detector.name == "yunet"
        assert len(detector.detect(group)) >= 3


def test_tiles_are_an_option_of_any_detector(yunet_file, crowd):
    config = DetectorConfig(max_enlargement=1.0, scales=(1.0,))
    with open_detector(f"yunet:{yunet_file}", config, tiling=TilingConfig(side=800), threads=1) as detector:
        assert isinstance(detector, TiledDetector)
        assert detector.tiling.side == 800
        assert len(detector.detect(crowd)) > 300


def test_retinaface_from_a_file(retinaface_cache, tmp_path, group):
    path = tmp_path / "copy.onnx"
    shutil.copy(retinaface_cache / "detectors" / ONNX_NAME, path)
    with open_detector(f"retinaface:{path}", threads=1) as detector:
        assert detector.name == "retinaface"
        assert len(detector.detect(group)) >= 3


def test_name_and_threshold_are_told(retinaface, yunet, yunet_file):
    assert (retinaface.name, yunet.name) == ("retinaface", "yunet")
    assert 0 < retinaface.score_threshold < 1
    with open_detector(f"yunet:{yunet_file}", DetectorConfig(score_threshold=0.75)) as detector:
        assert detector.score_threshold == 0.75
