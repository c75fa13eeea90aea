"""What a tracker knows about its tracks besides their motion."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..detection import FaceDetections


class TrackStates:
    """Parallel arrays over T tracks, in the order in which the tracks began; ids are therefore ascending.

    Attributes:
        ids: int64 (T,), from 1.
        born_s: float64 (T,), when the track began.
        seen_s: float64 (T,), when it was last found.
        hits: int64 (T,), in how many frames it was found.
        was_found: bool (T,), whether it was found in the last frame that was searched.
    """

    def __init__(self) -> None:
        self.ids = np.zeros(0, np.int64)
        self.born_s = np.zeros(0, np.float64)
        self.seen_s = np.zeros(0, np.float64)
        self.hits = np.zeros(0, np.int64)
        self.was_found = np.zeros(0, np.bool_)
        self._scores = np.zeros(0, np.float32)
        self._landmarks = np.zeros((0, 5, 2), np.float32)  # in widths and heights of the box; NaN where there are none
        self._next_id = 1

    def __len__(self) -> int:
        return len(self.ids)

    def append(self, detections: FaceDetections, time_s: float) -> npt.NDArray[np.intp]:
        """Begin a track with each detection, and return the tracks' rows."""
        count, before = len(detections), len(self)
        self.ids = np.concatenate([self.ids, np.arange(self._next_id, self._next_id + count)])
        self.born_s = np.concatenate([self.born_s, np.full(count, time_s)])
        self.seen_s = np.concatenate([self.seen_s, np.full(count, time_s)])
        self.hits = np.concatenate([self.hits, np.ones(count, np.int64)])
        self.was_found = np.concatenate([self.was_found, np.ones(count, np.bool_)])
        self._scores = np.concatenate([self._scores, detections.scores])
        self._landmarks = np.concatenate([self._landmarks, _relative_landmarks(detections)])
        self._next_id += count
        return np.arange(before, before + count)

    def keep(self, rows: npt.NDArray[np.bool_]) -> None:
        """Forget the tracks for which ``rows``, bool (T,), is False."""
        self.ids, self.hits, self.was_found = self.ids[rows], self.hits[rows], self.was_found[rows]
        self.born_s, self.seen_s = self.born_s[rows], self.seen_s[rows]
        self._scores, self._landmarks = self._scores[rows], self._landmarks[rows]

    def note_found(self, rows: npt.NDArray[np.intp], detections: FaceDetections, time_s: float) -> None:
        """Take in what was found in a frame; all other tracks were not.

        Args:
            rows: Track of each detection, (M,) without repeats.
            detections: The M detections.
            time_s: When.
        """
        self.was_found[:] = False
        self.was_found[rows] = True
        self.seen_s[rows] = time_s
        self.hits[rows] += 1
        self._scores[rows] = detections.scores
        self._landmarks[rows] = _relative_landmarks(detections)

    def detections_at(
        self, rows: npt.NDArray[np.intp], boxes: npt.NDArray[np.float32], shown: npt.NDArray[np.float32]
    ) -> FaceDetections:
        """Return tracks as if they had been found where their motion takes them.

        Args:
            rows: Which, (M,).
            boxes: float32 (M, 4), where they are; the landmarks move along.
            shown: float32 (M, 4), the part of it inside the frame.
        """
        landmarks = self._landmarks[rows] * (boxes[:, None, 2:] - boxes[:, None, :2]) + boxes[:, None, :2]
        has_landmarks = bool(np.isfinite(landmarks).all())
        return FaceDetections(shown, self._scores[rows], landmarks if has_landmarks else None)


def _relative_landmarks(detections: FaceDetections) -> npt.NDArray[np.float32]:
    if detections.landmarks is None:
        return np.full((len(detections), 5, 2), np.nan, np.float32)
    corners, sides = detections.boxes[:, None, :2], detections.boxes[:, None, 2:] - detections.boxes[:, None, :2]
    relative: npt.NDArray[np.float32] = (detections.landmarks - corners) / sides
    return relative
