"""RetinaFace with a MobileNet-0.25 backbone.

Deng et al., "RetinaFace: single-shot multi-level face localisation in the wild" (CVPR 2020). Boxes and landmarks are
encoded against prior boxes as in SSD (Liu et al., ECCV 2016, section 2.2), scaled by the variances 0.1 and 0.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from ..runner import Array
from .candidates import check_rows, finite_candidates, likely_rows
from .detections import FaceDetections
from .letterbox import PixelFormat

_PRIOR_SIDES = {8: (16, 32), 16: (64, 128), 32: (256, 512)}  # by stride, in pixels of the input
_VALUES = {"loc": 4, "conf": 2, "landmarks": 10}  # a prior box
_CENTER_VARIANCE = np.float32(0.1)
_SIZE_VARIANCE = np.float32(0.2)


class RetinaFaceHead:
    """Reads the outputs ``loc`` (P, 4), ``conf`` (P, 2) and ``landmarks`` (P, 10) of P prior boxes."""

    name = "retinaface"
    # The distribution that carries the weights subtracts 127 from red where the authors trained with 123. With 127 the
    # scores equal the distribution's bit for bit; recall on small faces differs by 0.02 at most, mostly in its favour.
    pixels = PixelFormat(mean=(104.0, 117.0, 127.0))
    score_threshold = 0.65
    max_enlargement = 3.0
    scales = (1.0,)
    outputs = tuple(_VALUES)

    def decode(
        self, outputs: Mapping[str, Array], input_size: tuple[int, int], score_threshold: float
    ) -> FaceDetections:
        """Turn the outputs for one picture into candidates in pixels of the input."""
        all_priors = priors(*input_size)
        check_rows(outputs, {name: (len(all_priors), values) for name, values in _VALUES.items()}, input_size)
        scores = outputs["conf"][:, 1]
        likely = likely_rows(scores, score_threshold)
        near = all_priors[likely]
        return finite_candidates(
            boxes=decode_boxes(outputs["loc"][likely], near),
            scores=scores[likely],
            landmarks=decode_landmarks(outputs["landmarks"][likely], near),
        )


@lru_cache(maxsize=8)
def priors(width: int, height: int) -> npt.NDArray[np.float32]:
    """Return the prior boxes of an input, in the order of the network's outputs.

    Args:
        width: Width of the input in pixels, a multiple of 32.
        height: Height of the input, likewise.

    Returns:
        float32 (P, 4), centre x, centre y, width, height in pixels; read-only. By stride, then row, column, side.
    """
    levels = [_level(width, height, stride, sides) for stride, sides in _PRIOR_SIDES.items()]
    boxes = np.concatenate(levels).astype(np.float32)
    boxes.setflags(write=False)
    return boxes


def decode_boxes(offsets: npt.NDArray[np.float32], near: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Apply the network's offsets to prior boxes.

    Args:
        offsets: float32 (N, 4), centre and log size relative to the prior, divided by the variances.
        near: float32 (N, 4), the priors as :func:`priors` gives them.

    Returns:
        float32 (N, 4), x0, y0, x1, y1 in pixels of the input.
    """
    centers = near[:, :2] + offsets[:, :2] * _CENTER_VARIANCE * near[:, 2:]
    with np.errstate(over="ignore"):  # infinity is refused with all that is no number
        half_sizes = near[:, 2:] * np.exp(offsets[:, 2:] * _SIZE_VARIANCE) / 2
    return np.concatenate([centers - half_sizes, centers + half_sizes], axis=1)


def decode_landmarks(offsets: npt.NDArray[np.float32], near: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Apply the network's landmark offsets, float32 (N, 10), to prior boxes; float32 (N, 5, 2) in pixels."""
    relative = offsets.reshape(-1, 5, 2) * _CENTER_VARIANCE
    points: npt.NDArray[np.float32] = near[:, None, :2] + relative * near[:, None, 2:]
    return points


def _level(width: int, height: int, stride: int, sides: tuple[int, ...]) -> npt.NDArray[np.float64]:
    rows, columns = np.mgrid[0 : height // stride, 0 : width // stride]
    centers = (np.stack([columns, rows], axis=-1).reshape(-1, 2) + 0.5) * stride
    squares = np.repeat(np.asarray(sides, np.float64)[:, None], 2, axis=1)
    return np.concatenate([np.repeat(centers, len(sides), axis=0), np.tile(squares, (len(centers), 1))], axis=1)
