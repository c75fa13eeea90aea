"""Results as plain values, the same in every output; ``output-line.schema.json`` beside this module describes them."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

import numpy as np
import numpy.typing as npt

from ..groups import GroupWindow
from ..results import FrameResult

SCHEMA_VERSION = 1

PROBABILITY_DIGITS = 5
PIXEL_DIGITS = 2
SECOND_DIGITS = 6
QUALITY_DIGITS = 4

_AGE_DIGITS = 3
_MEAN_DIGITS = 3


def frame_record(result: FrameResult) -> dict[str, Any]:
    """Return what is said about one frame.

    A face for which the model gave no numbers (NaN) is ``unknown``: abstained, of confidence 0, without probabilities.
    """
    frame = result.frame
    return {
        "schema_version": SCHEMA_VERSION,
        "source": frame.source,
        "frame": frame.index,
        "time_s": round(frame.time_s, SECOND_DIGITS),
        "clock": frame.clock.value,
        "width": frame.width,
        "height": frame.height,
        "faces": face_records(result),
    }


def face_records(result: FrameResult) -> list[dict[str, Any]]:
    """Return what is said about each face of a frame."""
    predictions, detections = result.predictions, result.detections
    # `tolist` turns whole arrays into Python numbers at once; a crowd has hundreds of faces a frame.
    boxes = rounded(result.boxes, PIXEL_DIGITS)
    scores = [None] if detections is None else rounded(detections.scores, PROBABILITY_DIGITS)
    sizes = rounded(predictions.face_size_px, PIXEL_DIGITS)
    confidences = rounded(predictions.confidence, PROBABILITY_DIGITS)
    probabilities = rounded(predictions.probabilities, PROBABILITY_DIGITS)
    records = [
        {
            "box": boxes[face],
            "detection_score": scores[face],
            "face_size_px": sizes[face],
            "label": label,
            "confidence": confidences[face],
            "abstained": bool(predictions.abstained[face]),
            "probabilities": dict(zip(predictions.labels, probabilities[face], strict=True)),
        }
        for face, label in enumerate(labels_of(result))
    ]
    for face in np.flatnonzero(~is_readable(result)).tolist():
        records[face].update(confidence=0.0, abstained=True, probabilities={})
    _add_tracks(records, result)
    return records


def _add_tracks(records: list[dict[str, Any]], result: FrameResult) -> None:
    tracks = result.tracks
    if tracks is None:
        return
    ids, ages = tracks.ids.tolist(), rounded(tracks.age_s, _AGE_DIGITS)
    detected, read = tracks.is_detected.tolist(), tracks.was_read.tolist()
    qualities = rounded(tracks.quality, QUALITY_DIGITS)
    for face, record in enumerate(records):
        record.update(track_id=ids[face], track_age_s=ages[face], is_detected=detected[face], was_read=read[face])
        record["quality"] = qualities[face]


def window_record(window: GroupWindow) -> dict[str, Any]:
    """Return what is said about a group over a window of time."""
    faces = window.faces_per_frame
    return {
        "schema_version": SCHEMA_VERSION,
        "type": "window",
        "source": window.source,
        "start_s": round(window.start_s, SECOND_DIGITS),
        "end_s": round(window.end_s, SECOND_DIGITS),
        "clock": window.clock.value,
        "frames": window.frames,
        "people": window.people,
        "faces_per_frame": None if faces is None else round(faces, _MEAN_DIGITS),
        "suppressed": window.is_suppressed,
        "shares": _by_label(window.labels, window.shares),
        "margin": _by_label(window.labels, window.margin),
    }


def is_readable(result: FrameResult) -> npt.NDArray[np.bool_]:
    """Return for which faces the model gave numbers: bool (N,)."""
    return np.asarray(np.isfinite(result.predictions.probabilities).all(axis=1), np.bool_)


def labels_of(result: FrameResult) -> list[str]:
    """Return the expression of each face; ``unknown`` where the model abstained, or gave no numbers."""
    predictions = result.predictions
    return [
        predictions.label_of(face) if readable else "unknown"
        for face, readable in enumerate(is_readable(result).tolist())
    ]


def rounded(values: npt.NDArray[np.floating[Any]], digits: int) -> list[Any]:
    """Return an array as nested lists of rounded numbers, None for those that JSON does not have (NaN, infinite)."""
    # In double precision, or 0.1 would be written as 0.10000000149.
    exact = values.astype(np.float64).round(digits)
    finite = np.isfinite(exact)
    if not finite.all():
        exact = exact.astype(object)
        exact[~finite] = None
    plain: list[Any] = exact.tolist()
    return plain


def output_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a record, whatever its type."""
    text = resources.files(__package__).joinpath("output-line.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def _by_label(labels: tuple[str, ...], values: npt.NDArray[np.float64] | None) -> dict[str, float] | None:
    if values is None:
        return None
    return dict(zip(labels, rounded(values, PROBABILITY_DIGITS), strict=True))
