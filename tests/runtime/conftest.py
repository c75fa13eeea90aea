"""Pictures for the tests of the runtime."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest


@pytest.fixture(scope="session")
def write_picture():
    """Writer of random pictures: ``write_picture(path, side=, seed=)``."""

    def write(path: Path, *, side: int = 64, seed: int = 0) -> Path:
        image = np.random.default_rng(seed).integers(0, 255, (side, side, 3), dtype=np.uint8)
        assert cv2.imwrite(str(path), image)
        return path

    return write
