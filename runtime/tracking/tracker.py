"""Follows the faces of one source from detection to detection.

Detections are matched in two stages as in ByteTrack (Zhang et al., arXiv 2110.06864): those with a high score to all
tracks, then those with a low one to the tracks that are left. A face that is half hidden keeps its track that way, and
a false alarm with a low score cannot begin one. ByteTrack gives low scores only to tracks that were found just before;
small faces are missed so often that lost ones are worth including (``benchmarks/tracking.py``).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ...core.errors import InputSpecError, UsageError
from ..detection import FaceDetections
from ..detection.detections import join
from ..detection.nms import intersection_over_union
from .association import Associate, AssociationConfig, associate
from .motion import FARTHEST_PX, BoxMotion, MotionConfig
from .track_states import TrackStates
from .tracked_faces import TrackedFaces

_MIN_VISIBLE = 0.5  # a face that is mostly outside the frame is not shown where nobody found it
_MIN_INSIDE_PX = 1.0  # of a box in the frame along both axes: less may be rounded off when it is cropped
_MAX_SIDE = 2.0  # of a box, in longer sides of the frame
_TAKEN_IOU = 0.2  # a box that overlaps with a found face by more shows that face
_HIGH_SCORE = 0.65  # at which nine of ten boxes of the detectors that come with fsrfer are faces


@dataclass(frozen=True)
class TrackerConfig:
    """When a face is the same as before.

    Attributes:
        high_score: Score from which on a detection may begin a track, 0 to 1, on the detector's own scale. None takes
            the threshold of the pipeline's detector; 0.65 where a tracker stands alone.
        low_score: Score from which on a detection may continue one; a pipeline lets its detector look for these as well
            in what moves. There is no second stage where it is not below ``high_score``.
        max_lost_s: How long a track is remembered that is not found. Faces that are detected more rarely than this
            cannot be followed.
        max_coast_s: How long a track that detection does not find any more is still shown where its motion takes it.
        motion: How faces move.
        association: When a detection may belong to a track.

    Raises:
        UsageError: A value is out of range.
    """

    high_score: float | None = None
    low_score: float = 0.3
    max_lost_s: float = 3.0
    max_coast_s: float = 0.4
    motion: MotionConfig = field(default_factory=MotionConfig)
    association: AssociationConfig = field(default_factory=AssociationConfig)

    def __post_init__(self) -> None:
        are_scores = 0.0 <= self.begins_at <= 1.0 and 0.0 <= self.low_score <= 1.0
        if not (are_scores and 0.0 < self.max_lost_s < np.inf and self.max_coast_s >= 0.0):
            raise UsageError(
                "impossible tracking of faces",
                expected="scores in [0, 1], max_lost_s above 0 s and finite, max_coast_s of 0 s or more",
                found=self,
            )

    @property
    def begins_at(self) -> float:
        """Score from which on a detection begins a track."""
        return _HIGH_SCORE if self.high_score is None else self.high_score


class FaceTracker:
    """Gives every face of one source an id that it keeps.

    All tracks end where time runs backwards or leaps by more than ``max_lost_s`` (a lost connection), or the frame's
    size changes. Ids go on counting.

    Args:
        config: When a face is the same as before.
        associate: How detections are assigned to tracks.
    """

    def __init__(self, config: TrackerConfig | None = None, *, associate: Associate = associate) -> None:
        self._config = config or TrackerConfig()
        self._associate = associate
        self._motion = BoxMotion(self._config.motion)
        self._tracks = TrackStates()
        self._frame_size: tuple[int, int] | None = None
        self._time_s = -np.inf  # of the last frame
        self._motion_time_s = 0.0  # of the last frame with detections
        self._ignored = 0

    @property
    def live_ids(self) -> npt.NDArray[np.int64]:
        """Tracks that are followed or may still come back, ascending: int64 (T,)."""
        return self._tracks.ids

    @property
    def ignored(self) -> int:
        """Detections left out so far: no numbers, an empty box, one outside the frame or more than twice as large."""
        return self._ignored

    def update(self, detections: FaceDetections, time_s: float, frame_size: tuple[int, int]) -> TrackedFaces:
        """Follow the faces into a frame that was searched.

        Args:
            detections: What was found; the tracks take over the high ones, and of the low ones those that fit.
            time_s: When the frame was shown, in seconds of the source's clock.
            frame_size: Its width and height in pixels.

        Returns:
            The faces that were found, and those that were lost moments ago.

        Raises:
            InputSpecError: The time is not a finite number.
        """
        self._begin(time_s, frame_size)
        detections = self._usable(detections, frame_size)
        self._motion.advance(time_s - self._motion_time_s)
        self._motion_time_s = time_s
        self._retire(frame_size)
        row_of = self._match(detections)
        found = row_of >= 0
        self._motion.correct(row_of[found], detections.boxes[found])
        self._tracks.note_found(row_of[found], detections.select(found), time_s)
        is_new = ~found & (detections.scores >= self._config.begins_at)
        self._motion.append(detections.boxes[is_new])
        row_of[is_new] = self._tracks.append(detections.select(is_new), time_s)
        return self._report(frame_size, row_of, detections)

    def predict(self, time_s: float, frame_size: tuple[int, int]) -> TrackedFaces:
        """Follow the faces into a frame that was not searched.

        Args:
            time_s: When the frame was shown, in seconds of the source's clock.
            frame_size: Its width and height in pixels.

        Returns:
            The faces that were found when last searched for, and those that were lost moments ago, where their motion
            takes them.

        Raises:
            InputSpecError: The time is not a finite number.
        """
        self._begin(time_s, frame_size)
        return self._report(frame_size, np.zeros(0, np.intp), FaceDetections.empty())

    def _begin(self, time_s: float, frame_size: tuple[int, int]) -> None:
        if not np.isfinite(time_s):
            raise InputSpecError("a frame without a time cannot be tracked", expected="seconds", found=time_s)
        is_continued = 0.0 <= time_s - self._time_s <= self._config.max_lost_s and frame_size == self._frame_size
        if not is_continued:
            self._keep(np.zeros(len(self._tracks), np.bool_))
            self._motion_time_s = time_s
        self._time_s, self._frame_size = time_s, frame_size

    def _usable(self, detections: FaceDetections, frame_size: tuple[int, int]) -> FaceDetections:
        usable = _may_be_faces(detections.boxes, frame_size) & np.isfinite(detections.scores)
        if usable.all():
            return detections
        self._ignored += int(np.count_nonzero(~usable))
        return detections.select(usable)

    def _retire(self, frame_size: tuple[int, int]) -> None:
        is_remembered = self._time_s - self._tracks.seen_s <= self._config.max_lost_s
        self._keep(is_remembered & _is_visible(self._motion.boxes(), frame_size))

    def _keep(self, rows: npt.NDArray[np.bool_]) -> None:
        if not rows.all():
            self._motion.keep(rows)
            self._tracks.keep(rows)

    def _match(self, detections: FaceDetections) -> npt.NDArray[np.intp]:
        row_of = np.full(len(detections), -1, np.intp)
        is_high = detections.scores >= self._config.begins_at
        boxes, spread = self._motion.boxes(), self._motion.spread
        is_free = np.ones(len(boxes), np.bool_)
        for stage in (is_high, ~is_high):
            rows, columns = np.flatnonzero(is_free), np.flatnonzero(stage)
            if not (len(rows) and len(columns)):
                continue
            candidates = detections.boxes[columns]
            tracks, found = self._associate(boxes[rows], spread[rows], candidates, self._config.association)
            row_of[columns[found]] = rows[tracks]
            is_free[rows[tracks]] = False
        return row_of

    def _report(
        self, frame_size: tuple[int, int], row_of: npt.NDArray[np.intp], detections: FaceDetections
    ) -> TrackedFaces:
        in_tracks = row_of >= 0
        boxes = self._motion.boxes(self._time_s - self._motion_time_s)
        inside = np.clip(boxes, 0.0, np.asarray(frame_size * 2, np.float32))
        is_shown = (self._tracks.was_found | self._lingers(boxes)) & (_areas(inside) > _MIN_VISIBLE * _areas(boxes))
        is_shown[row_of[in_tracks]] = False
        moved = np.flatnonzero(is_shown)
        rows = np.concatenate([row_of[in_tracks], moved])
        shown = detections if in_tracks.all() else detections.select(in_tracks)
        if len(moved):
            shown = join([shown, self._tracks.detections_at(moved, boxes[moved], inside[moved])])
        faces = TrackedFaces(
            detections=shown,
            ids=self._tracks.ids[rows],
            age_s=(self._time_s - self._tracks.born_s[rows]).astype(np.float32),
            is_detected=np.arange(len(rows)) < len(rows) - len(moved),
        )
        scores = faces.detections.scores
        if (scores[1:] <= scores[:-1]).all():  # as detectors give them
            return faces
        return faces.select(np.argsort(-scores, kind="stable"))

    def _lingers(self, boxes: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
        """Return which tracks are shown although they were not found when last searched for: bool (T,)."""
        was_found = self._tracks.was_found
        is_recent = self._time_s - self._tracks.seen_s <= self._config.max_coast_s
        lingers: npt.NDArray[np.bool_] = ~was_found & is_recent & (self._tracks.hits > 1)
        candidates = np.flatnonzero(lingers)
        if not len(candidates):
            return lingers
        # Where another face was found, this one is hidden behind it, or was found under a new id.
        overlap = intersection_over_union(boxes[candidates], boxes[was_found]).max(axis=1, initial=0.0)
        lingers[candidates[overlap > _TAKEN_IOU]] = False
        return lingers


def _may_be_faces(boxes: npt.NDArray[np.float32], frame_size: tuple[int, int]) -> npt.NDArray[np.bool_]:
    bounded = np.clip(boxes, -FARTHEST_PX, FARTHEST_PX)  # infinities would warn
    sides = bounded[:, 2:] - bounded[:, :2]
    has_size = np.all((sides > 0.0) & (sides <= _MAX_SIDE * max(frame_size)), axis=1)
    return np.asarray(has_size & _is_visible(bounded, frame_size), np.bool_)  # comparisons with NaN are False


def _is_visible(boxes: npt.NDArray[np.float32], frame_size: tuple[int, int]) -> npt.NDArray[np.bool_]:
    inside = np.minimum(boxes[:, 2:], np.asarray(frame_size)) - np.maximum(boxes[:, :2], 0.0)
    return np.asarray(np.all(inside > _MIN_INSIDE_PX, axis=1), np.bool_)


def _areas(boxes: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    areas: npt.NDArray[np.float32] = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    return areas
