"""Faces that somebody else found: boxes from a file of JSON lines, instead of a detector.

The file may be the output of an earlier ``fsrfer-run``, the ground truth of ``fsrfer draw clip``, or that of any
detector: one object a line with ``frame`` (from 0) and ``faces``, each with a ``box`` of x0, y0, x1, y1 in pixels and,
where there is one, a ``detection_score``; ``source`` where the file is about several. Lines with a ``type`` are about
something else and are left out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import DetectorError, InputSpecError
from .detection import FaceDetections
from .frame import Frame


class RecordedBoxes:
    """The boxes of a file, by source and frame.

    Args:
        path: The file.

    Raises:
        DetectorError: The file is absent, or a line is not as described; the message names it.
    """

    def __init__(self, path: Path) -> None:
        self.name = f"boxes:{path}"
        self._path = path
        self._found: dict[tuple[str | None, int], FaceDetections] = {}
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as problem:
            raise DetectorError(f"{path} cannot be read", found=str(problem)) from problem
        for number, line in enumerate(lines, start=1):
            if line.strip():
                self._add(number, line)
        self._sources = {source for source, _ in self._found}

    def boxes_of(self, frame: Frame) -> FaceDetections:
        """Return the faces of a frame.

        Raises:
            DetectorError: The file says nothing about the frame: it belongs to something else.
        """
        # A file about one source serves it under any name: the clip may have been moved since.
        source = frame.source if len(self._sources) > 1 else next(iter(self._sources), None)
        found = self._found.get((source, frame.index))
        if found is None:
            raise DetectorError(
                f"{self._path} has no line for frame {frame.index} of {frame.source}",
                expected="a line for every frame, an empty list of faces where there is none",
                fix="use the file that belongs to this source",
            )
        return found

    def _add(self, number: int, line: str) -> None:
        try:
            value = json.loads(line)
            if "type" in value:  # a window or a track of an earlier run, not a frame
                return
            source, index, detections = _read_line(value)
        except (KeyError, TypeError, ValueError, InputSpecError) as problem:
            raise DetectorError(
                f"{self._path}, line {number} is not a frame with its boxes",
                expected='{"frame": 0, "faces": [{"box": [x0, y0, x1, y1]}]}',
                found=f"{type(problem).__name__}: {problem}",
            ) from problem
        self._found[source, index] = detections


def _read_line(value: Mapping[str, Any]) -> tuple[str | None, int, FaceDetections]:
    boxes = np.array([face["box"] for face in value["faces"]], np.float32).reshape(-1, 4)
    # Boxes of ready-made crops and of people's annotations come without a score: they are certain.
    scores = [face.get("detection_score") for face in value["faces"]]
    certain = np.array([1.0 if score is None else score for score in scores], np.float32)
    return value.get("source"), int(value["frame"]), FaceDetections(boxes, certain, None)
