"""What every detector checks in its network's outputs before it decodes them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from ...core.errors import DetectorError
from ..runner import Array
from .detections import FaceDetections

ANOTHER_FAMILY = "name the detector that the file belongs to: retinaface:FILE, yunet:FILE or scrfd:FILE"
_NOT_NUMBERS = "export the graph again; a graph in half precision may overflow, use float32"


def check_rows(
    outputs: Mapping[str, Array], shapes: Mapping[str, tuple[int, int]], input_size: tuple[int, int]
) -> None:
    """See that every output has one row a cell of its grid: the network is of the family that it is taken for.

    Args:
        outputs: (rows, values) by name.
        shapes: Rows and values that the input size asks for, by name.
        input_size: Width and height of the input, for the message.

    Raises:
        DetectorError: An output has more or fewer.
    """
    for name, expected in shapes.items():
        if outputs[name].shape != expected:
            raise DetectorError(
                f"output {name} of the detector does not fit its input of {input_size[0]}x{input_size[1]}",
                expected=f"{expected[0]} rows of {expected[1]}",
                found=f"shape {outputs[name].shape}",
                fix=ANOTHER_FAMILY,
            )


def likely_rows(scores: npt.NDArray[np.float32], score_threshold: float) -> npt.NDArray[np.intp]:
    """Return the rows whose score reaches the threshold.

    Args:
        scores: float32 (rows,).
        score_threshold: Least score.

    Raises:
        DetectorError: A score is not a number. It would compare as too low, and a broken network would pass for an
            empty street.
    """
    if np.isnan(scores).any():
        raise DetectorError("the detector's network returns scores that are not numbers", fix=_NOT_NUMBERS)
    return np.flatnonzero(scores >= score_threshold)


def finite_candidates(
    boxes: npt.NDArray[np.float32], scores: npt.NDArray[np.float32], landmarks: npt.NDArray[np.float32] | None
) -> FaceDetections:
    """Put decoded candidates together.

    Args:
        boxes: float32 (N, 4), x0, y0, x1, y1.
        scores: float32 (N,).
        landmarks: float32 (N, 5, 2), or None.

    Raises:
        DetectorError: A coordinate is infinite or not a number.
    """
    if not np.isfinite(boxes).all() or (landmarks is not None and not np.isfinite(landmarks).all()):
        raise DetectorError("the detector's network returns boxes that are not numbers", fix=_NOT_NUMBERS)
    return FaceDetections(boxes, scores, landmarks)
