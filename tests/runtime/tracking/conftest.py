"""What the tests of tracking share."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from fsrfer.runtime.detection import FaceDetections
from fsrfer.runtime.tracking import TrackedFaces

SIZE = (640, 360)


@pytest.fixture(scope="session")
def scenes() -> ModuleType:
    """The module ``scenes.py`` beside this file; tests are imported by path, so it is on no search path."""
    name = "fsrfer_tests_tracking_scenes"
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("scenes.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def make_detections():
    """Maker of detections: ``make_detections((x, y, size), ..., scores=)`` with square boxes about x, y."""

    def make(*faces, scores=None) -> FaceDetections:
        values = np.array(faces, np.float32).reshape(-1, 3)
        half = values[:, 2:] / 2
        boxes = np.concatenate([values[:, :2] - half, values[:, :2] + half], axis=1)
        return FaceDetections(boxes, np.array([0.9] * len(values) if scores is None else scores, np.float32))

    return make


@pytest.fixture(scope="session")
def make_tracked():
    """Maker of tracked faces by their ids: ``make_tracked([1, 2], detected=None)``."""

    def make(ids, detected=None) -> TrackedFaces:
        count = len(ids)
        corners = 20.0 * np.arange(count, dtype=np.float32)[:, None] + np.array([0, 0, 16, 16], np.float32)
        return TrackedFaces(
            FaceDetections(corners.astype(np.float32), np.full(count, 0.9, np.float32)),
            np.array(ids, np.int64),
            np.zeros(count, np.float32),
            np.ones(count, np.bool_) if detected is None else np.array(detected, np.bool_),
        )

    return make
