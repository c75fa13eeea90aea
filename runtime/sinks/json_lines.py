"""Results as JSON, one line a frame; ``frame-result.schema.json`` beside this module describes a line."""

from __future__ import annotations

import json
from importlib import resources
from types import TracebackType
from typing import Any, TextIO

from ..results import FrameResult

SCHEMA_VERSION = 1

_PROBABILITY_DIGITS = 5
_PIXEL_DIGITS = 2
_TIME_DIGITS = 6


class JsonLinesSink:
    """Writes one line a frame.

    Lines go out at once where somebody waits for them: at a terminal, in a file, or from a live source. Otherwise
    (a recording into a pipe) they are buffered.

    Args:
        stream: Where to write; closed by whoever opened it.
        flush_each: Write every line out at once, whatever the stream and the source.
    """

    def __init__(self, stream: TextIO, *, flush_each: bool = False) -> None:
        self._stream = stream
        self._flush_each = flush_each or stream.isatty()

    def write(self, result: FrameResult) -> None:
        """Write the line of one frame."""
        self._stream.write(json.dumps(frame_record(result), allow_nan=False) + "\n")
        if self._flush_each or result.frame.is_live:
            self._stream.flush()

    def __enter__(self) -> JsonLinesSink:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.flush()


def frame_record(result: FrameResult) -> dict[str, Any]:
    """Return what is said about one frame, as plain values."""
    frame = result.frame
    return {
        "schema_version": SCHEMA_VERSION,
        "source": frame.source,
        "frame": frame.index,
        "time_s": round(frame.time_s, _TIME_DIGITS),
        "clock": frame.clock.value,
        "width": frame.width,
        "height": frame.height,
        "faces": _face_records(result),
    }


def output_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a line."""
    text = resources.files(__package__).joinpath("frame-result.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def _face_records(result: FrameResult) -> list[dict[str, Any]]:
    predictions, detections = result.predictions, result.detections
    # `tolist` turns whole arrays into Python numbers at once; a crowd has hundreds of faces a frame.
    boxes = result.boxes.astype(float).round(_PIXEL_DIGITS).tolist()
    scores = [None] if detections is None else detections.scores.astype(float).round(_PROBABILITY_DIGITS).tolist()
    sizes = predictions.face_size_px.astype(float).round(_PIXEL_DIGITS).tolist()
    confidences = predictions.confidence.astype(float).round(_PROBABILITY_DIGITS).tolist()
    probabilities = predictions.probabilities.astype(float).round(_PROBABILITY_DIGITS).tolist()
    return [
        {
            "box": boxes[face],
            "detection_score": scores[face],
            "face_size_px": sizes[face],
            "label": predictions.label_of(face),
            "confidence": confidences[face],
            "abstained": bool(predictions.abstained[face]),
            "probabilities": dict(zip(predictions.labels, probabilities[face], strict=True)),
        }
        for face in range(len(result))
    ]
