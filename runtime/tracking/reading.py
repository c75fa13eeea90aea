"""Which faces of a frame are worth reading: a face costs as much as it did in the frame before, and tells less.

Every reason to read a face has a moment from which on it holds; the faces whose moment lies farthest back are read
first (earliest deadline first: Liu and Layland, "Scheduling algorithms for multiprogramming in a hard real-time
environment", Journal of the ACM 20(1), 1973, section 7). Nobody starves: what comes later, be it a newcomer or a face
that was read meanwhile, has a later moment.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...core.errors import InputSpecError, UsageError
from .track_table import Ids, TrackTable, check_ids
from .tracked_faces import TrackedFaces

_TICK_S = 1e-3  # Unix times are rounded: a frame must not be let pass for want of a microsecond


@dataclass(frozen=True)
class ReadingConfig:
    """When a face is read again.

    Attributes:
        max_faces: Most faces that are read in one frame.
        max_age_s: Age of a reading from which on a face is read again in any case.
        uncertain_age_s: The same where the last reading was less confident than ``uncertain_below``.
        uncertain_below: Confidence below which a reading is uncertain, 0 to 1.
        better_age_s: The same where the crop is now better than the one that was read, by the factor ``better_by``.
        better_by: Least factor between two qualities that makes one clearly better.
        reads_predicted: Whether faces are read that detection did not find in the very frame. Their boxes are a little
            off, and some of them are hidden by now.
        forget_after_s: For how long a track is remembered that does not appear any more.

    Raises:
        UsageError: A value is out of range.
    """

    max_faces: int = 32
    max_age_s: float = 0.3
    uncertain_age_s: float = 0.15
    uncertain_below: float = 0.5
    better_age_s: float = 0.1
    better_by: float = 1.3
    reads_predicted: bool = False
    forget_after_s: float = 10.0

    def __post_init__(self) -> None:
        ages = (self.max_age_s, self.uncertain_age_s, self.better_age_s)
        possible = self.max_faces >= 1 and all(0.0 <= age < np.inf for age in ages) and self.better_by >= 1.0
        if not (possible and 0.0 <= self.uncertain_below <= 1.0 and 0.0 < self.forget_after_s < np.inf):
            raise UsageError(
                "impossible choice of faces to read",
                expected="max_faces and better_by of 1 or more, ages of 0 s or more, uncertain_below in [0, 1]",
                found=self,
            )


class ReadingPolicy:
    """Chooses the faces of one source that are read.

    Args:
        config: When a face is read again.
    """

    def __init__(self, config: ReadingConfig | None = None) -> None:
        self._config = config or ReadingConfig()
        self._time_s = -np.inf
        self._tracks = TrackTable(
            first_s=np.float64(np.nan),
            read_s=np.float64(np.nan),
            quality=np.float32(0.0),
            confidence=np.float32(1.0),
        )

    def __len__(self) -> int:
        return len(self._tracks)

    def choose(self, tracked: TrackedFaces, time_s: float, quality: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
        """Choose the faces of a frame that are read, and remember that they are.

        Args:
            tracked: The faces.
            time_s: When the frame was shown, in seconds of the source's clock; all tracks are new when it runs
                backwards.
            quality: float32 (N,), how much each crop can tell, 0 or more; NaN counts as 0.

        Returns:
            bool (N,), True for at most ``max_faces`` faces.

        Raises:
            InputSpecError: There is not one quality for each face, or the time is not a finite number.
        """
        self._pass_time(time_s)
        if quality.shape != (len(tracked),):
            raise InputSpecError("qualities do not belong to the faces", expected=(len(tracked),), found=quality.shape)
        rows = self._tracks.touch(tracked.ids, time_s)
        quality = np.nan_to_num(quality)
        due_s = self._due_s(rows, quality, time_s)
        wanted = np.flatnonzero((due_s <= time_s + _TICK_S) & (tracked.is_detected | self._config.reads_predicted))
        most_urgent = np.lexsort((-quality[wanted], due_s[wanted]))[: self._config.max_faces]
        chosen = np.zeros(len(tracked), np.bool_)
        chosen[wanted[most_urgent]] = True
        self._tracks["read_s"][rows[chosen]] = time_s
        self._tracks["quality"][rows[chosen]] = quality[chosen]
        return chosen

    def note_confidence(self, ids: Ids, confidence: npt.NDArray[np.float32]) -> None:
        """Take in how confident the readings came out; tracks that are gone are left out.

        Args:
            ids: int64 (M,), tracks that were read.
            confidence: float32 (M,), 0 to 1; NaN counts as 0.

        Raises:
            InputSpecError: There is not one confidence for each track.
        """
        check_ids(ids, len(confidence))
        rows = self._tracks.find(ids)
        self._tracks["confidence"][rows[rows >= 0]] = np.nan_to_num(confidence[rows >= 0])

    def _pass_time(self, time_s: float) -> None:
        if not np.isfinite(time_s):
            raise InputSpecError("faces cannot be chosen without a time", expected="seconds", found=time_s)
        if time_s < self._time_s:
            self._tracks.clear()
        self._tracks.drop_unseen(time_s - self._config.forget_after_s)
        self._time_s = time_s

    def _due_s(
        self, rows: npt.NDArray[np.intp], quality: npt.NDArray[np.float32], time_s: float
    ) -> npt.NDArray[np.float64]:
        config, tracks = self._config, self._tracks
        first_s, read_s = tracks["first_s"], tracks["read_s"][rows]
        first_s[rows] = np.where(np.isnan(first_s[rows]), time_s, first_s[rows])
        allowed_s = np.full(len(rows), config.max_age_s)
        uncertain = tracks["confidence"][rows] < config.uncertain_below
        allowed_s[uncertain] = np.minimum(allowed_s[uncertain], config.uncertain_age_s)
        better = quality > tracks["quality"][rows] * config.better_by
        allowed_s[better] = np.minimum(allowed_s[better], config.better_age_s)
        return np.where(np.isnan(read_s), first_s[rows], read_s + allowed_s)
