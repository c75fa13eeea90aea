"""What is fed to a model while it is measured: the same on every machine, and no data set needed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ...core.bundle import BundleManifest
from ...core.preprocess import PreprocessSpec, preprocess
from ..runner import Array

MIN_FACE_PX, MAX_FACE_PX = 8, 48


def face_crops(count: int, *, seed: int = 0) -> list[npt.NDArray[np.uint8]]:
    """Make square crops of mixed sizes, from 8 to 48 px, as a detector would hand over small faces.

    Their content is noise: dense networks take equally long for every picture.

    Args:
        count: How many.
        seed: Key of sizes and content.

    Returns:
        ``count`` crops, uint8 (side, side, 3).
    """
    rng = np.random.default_rng(seed)
    sides = rng.integers(MIN_FACE_PX, MAX_FACE_PX, size=count, endpoint=True)
    return [rng.integers(0, 256, size=(side, side, 3), dtype=np.uint8) for side in sides]


def crop_batches(batch: int, *, count: int, seed: int = 0) -> list[list[npt.NDArray[np.uint8]]]:
    """Make batches of crops, several of them so that a batch of one does not always have the same size.

    Args:
        batch: Crops in each.
        count: How many batches.
        seed: Key of sizes and content.
    """
    crops = face_crops(batch * count, seed=seed)
    return [crops[start : start + batch] for start in range(0, len(crops), batch)]


def ready_feed(crops: Sequence[npt.NDArray[np.uint8]], manifest: BundleManifest) -> dict[str, Array]:
    """Preprocess crops into what the bundle's graph is fed with.

    Args:
        crops: As :func:`face_crops` makes them.
        manifest: Description of the graph.
    """
    faces, sizes = preprocess(crops, manifest.preprocess)
    graph = manifest.graph
    feed: dict[str, Array] = {graph.faces_input: faces}
    if graph.face_size_input is not None:
        feed[graph.face_size_input] = sizes
    return feed


def pixel_fill(crops: Sequence[npt.NDArray[np.uint8]], spec: PreprocessSpec) -> float:
    """Return which part of the model's input pixels crops bring along, on average; the others are interpolated.

    Args:
        crops: As :func:`face_crops` makes them, one or more.
        spec: The model's input.
    """
    area = spec.height * spec.width
    return float(np.mean([min(1.0, crop.shape[0] * crop.shape[1] / area) for crop in crops]))
