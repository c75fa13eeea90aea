"""Real detectors for the tests of face detection."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from fsrfer.runtime.detection import (
    DetectorConfig,
    FaceDetector,
    find_detector_weights,
    open_detector,
)


@pytest.fixture(scope="session")
def yunet_file(shared: Path) -> Path:
    """The real YuNet with a free input size."""
    return shared / "models" / "yunet_n_dynamic.onnx"


@pytest.fixture(scope="session")
def yunet(yunet_file) -> Iterator[FaceDetector]:
    """The real YuNet with the default configuration."""
    with open_detector(f"yunet:{yunet_file}", threads=1) as detector:
        yield detector


@pytest.fixture(params=["retinaface", "yunet"])
def family(request) -> str:
    """Each family of detectors in turn."""
    return request.param


@pytest.fixture
def detector(family, request) -> FaceDetector:
    """Each real detector in turn, with the default configuration."""
    return request.getfixturevalue(family)


@pytest.fixture
def open_with(family, retinaface_cache, yunet_file) -> Callable[[DetectorConfig], FaceDetector]:
    """Opens the same network as ``detector`` with another configuration."""
    file = yunet_file if family == "yunet" else find_detector_weights(retinaface_cache / "detectors")
    return lambda config: open_detector(f"{family}:{file}", config, threads=1)


@pytest.fixture(scope="session")
def crowd(shared) -> np.ndarray:
    """A photo of several hundred faces, 898x1600, RGB."""
    return read_rgb(shared / "media" / "photos" / "crowd-17.jpg")


@pytest.fixture(scope="session")
def group(shared) -> np.ndarray:
    """A photo of a handful of large faces, RGB."""
    return read_rgb(shared / "media" / "photos" / "crowd-3.jpg")


def read_rgb(path: Path) -> np.ndarray:
    """Read a picture."""
    return np.ascontiguousarray(cv2.imread(str(path), cv2.IMREAD_COLOR)[..., ::-1])
