"""Results as ``supervision.Detections``, to draw, count or slice with that library (extra ``supervision``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..core.errors import MissingDependencyError
from .results import FrameResult

if TYPE_CHECKING:
    import supervision


def to_supervision(result: FrameResult) -> supervision.Detections:
    """Return the faces of a frame as ``supervision.Detections``.

    Args:
        result: What the pipeline says about a frame.

    Returns:
        Detections of N faces: ``xyxy`` in pixels of the frame, ``confidence`` the confidence in the expression,
        ``class_id`` its index, ``tracker_id`` the track where people are followed. ``data`` has ``class_name``
        (``unknown`` where the model abstained), ``detection_score`` (NaN for ready-made crops), ``face_size_px`` and
        ``probabilities`` (N, K).

    Raises:
        MissingDependencyError: The package is not installed.
    """
    try:
        import supervision
    except ModuleNotFoundError as problem:
        raise MissingDependencyError.for_extra("supervision", "supervision", "to_supervision") from problem
    predictions, detections = result.predictions, result.detections
    count = len(result)
    scores = np.full(count, np.nan, np.float32) if detections is None else detections.scores
    return supervision.Detections(
        xyxy=result.boxes,
        confidence=predictions.confidence,
        class_id=predictions.label_index,
        tracker_id=None if result.tracks is None else result.tracks.ids,
        data={
            "class_name": np.array([predictions.label_of(face) for face in range(count)], dtype=np.str_),
            "detection_score": scores,
            "face_size_px": predictions.face_size_px,
            "probabilities": predictions.probabilities,
        },
    )
