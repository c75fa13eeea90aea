"""What happens to tracks: somebody comes, changes the expression, goes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..results import FrameResult
from ..tracking import BestShot, BestShots
from .records import (
    PIXEL_DIGITS,
    PROBABILITY_DIGITS,
    QUALITY_DIGITS,
    SCHEMA_VERSION,
    SECOND_DIGITS,
    is_readable,
    rounded,
)

GONE_S = 4.0
"""A track that was not seen for so long has ended: longer than the tracker remembers one that it lost."""


class TrackEvents:
    """Follows the tracks of all sources and gives a record for everything that happens to one."""

    def __init__(self) -> None:
        self._open: dict[str, dict[int, _Track]] = {}
        self._shots: dict[str, BestShots] = {}

    def follow(self, result: FrameResult, faces: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Look at one frame.

        Args:
            result: Frames of one source come in order; one in which nobody is followed says nothing.
            faces: Its faces, as :func:`~fsrfer.runtime.sinks.records.face_records` gives them.

        Yields:
            Records of the type ``track``: who is gone, then who is new or looks different.
        """
        if result.tracks is None:
            return
        frame = result.frame
        tracks = self._open.setdefault(frame.source, {})
        shots = self._shots.setdefault(frame.source, BestShots(forget_after_s=GONE_S))
        for number in [number for number, track in tracks.items() if not 0 <= frame.time_s - track.seen_s < GONE_S]:
            yield tracks.pop(number).record("end", shots.shot_of(number))
        shots.update(result)
        probabilities = np.where(is_readable(result)[:, None], result.predictions.probabilities, 0.0)
        for face, row in zip(faces, probabilities, strict=True):
            track = tracks.get(face["track_id"])
            if track is None:
                labels = result.predictions.labels
                track = tracks[face["track_id"]] = _Track(frame.source, frame.clock.value, labels, frame.time_s, face)
                track.see(face, row, frame.time_s)
                yield track.record("new", shots.shot_of(face["track_id"]))
            elif (previous := track.face["label"]) != face["label"]:
                track.see(face, row, frame.time_s)
                yield track.record("update", shots.shot_of(face["track_id"]), previous)
            else:
                track.see(face, row, frame.time_s)

    def finish(self) -> Iterator[dict[str, Any]]:
        """End all tracks."""
        for source, tracks in self._open.items():
            for number, track in tracks.items():
                yield track.record("end", self._shots[source].shot_of(number))
        self._open.clear()
        self._shots.clear()


@dataclass
class _Track:
    source: str
    clock: str
    labels: tuple[str, ...]
    start_s: float
    face: dict[str, Any]

    def __post_init__(self) -> None:
        self.seen_s = self.start_s
        self._sum = np.zeros(len(self.labels))

    def see(self, face: dict[str, Any], probabilities: npt.NDArray[np.floating[Any]], time_s: float) -> None:
        self.seen_s, self.face = time_s, face
        self._sum += probabilities

    def record(self, event: str, shot: BestShot | None, previous_label: str | None = None) -> dict[str, Any]:
        total = self._sum.sum()
        means = dict(zip(self.labels, rounded(self._sum / total, PROBABILITY_DIGITS), strict=True)) if total else {}
        face = self.face
        return {
            "schema_version": SCHEMA_VERSION,
            "type": "track",
            "event": event,
            "source": self.source,
            "track_id": face["track_id"],
            "time_s": round(self.seen_s, SECOND_DIGITS),
            "clock": self.clock,
            "start_s": round(self.start_s, SECOND_DIGITS),
            "box": face["box"],
            "face_size_px": face["face_size_px"],
            "label": face["label"],
            "confidence": face["confidence"],
            "abstained": face["abstained"],
            "previous_label": previous_label,
            "mean_probabilities": means,
            "best_shot": None if shot is None else _shot_record(shot),
        }


def _shot_record(shot: BestShot) -> dict[str, Any]:
    return {
        "frame": shot.frame_index,
        "time_s": round(shot.time_s, SECOND_DIGITS),
        "box": rounded(np.array(shot.box), PIXEL_DIGITS),
        "quality": round(shot.quality, QUALITY_DIGITS),
    }
