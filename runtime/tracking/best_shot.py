"""The best look at every face so far: when it was, where, and how good; the picture itself only where asked for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...core.errors import InputSpecError
from ..face_crops import cut_faces
from ..results import FrameResult
from .track_table import TrackTable

Uint8Array = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class BestShot:
    """The best look at one face.

    Attributes:
        track_id: Whose.
        time_s: When the frame was shown, in seconds of the source's clock.
        frame_index: Position of the frame in the source.
        box: Where the face is in it: x0, y0, x1, y1 in pixels.
        quality: How much the crop can tell, 0 or more.
        crop: uint8 (H, W, 3) or (H, W), a copy; None where crops are not kept.
    """

    track_id: int
    time_s: float
    frame_index: int
    box: tuple[float, float, float, float]
    quality: float
    crop: Uint8Array | None = None


class BestShots:
    """Keeps the best look at every face of one source.

    Args:
        keep_crops: Whether the pictures are kept, in memory; nobody's are unless asked for.
        crop_margin: Fraction of a box's longer side that is added on each side of a kept picture.
        forget_after_s: For how long a track is remembered that does not appear any more, in seconds above 0.

    Raises:
        InputSpecError: ``forget_after_s`` is not above 0.
    """

    def __init__(self, *, keep_crops: bool = False, crop_margin: float = 0.1, forget_after_s: float = 10.0) -> None:
        if not 0.0 < forget_after_s < np.inf:
            raise InputSpecError("impossible memory for faces", expected="seconds above 0", found=forget_after_s)
        self._keep_crops = keep_crops
        self._crop_margin = crop_margin
        self._forget_after_s = forget_after_s
        self._time_s = -np.inf
        self._crops: dict[int, Uint8Array] = {}
        self._tracks = TrackTable(
            time_s=np.float64(0.0), frame_index=np.int64(0), box=np.zeros(4, np.float32), quality=np.float32(-np.inf)
        )

    def __len__(self) -> int:
        return len(self._tracks)

    def update(self, result: FrameResult) -> list[BestShot]:
        """Look at the faces of a frame. Only those that detection found in it can be the best.

        Args:
            result: Results of one source in their order, with tracks; all end where time runs backwards. A face whose
                quality is no number is not looked at.

        Returns:
            The shots of the tracks that did not appear for ``forget_after_s`` and are forgotten now.

        Raises:
            InputSpecError: Nobody is followed, or the time is not a finite number.
        """
        frame, tracks = result.frame, result.tracks
        if tracks is None or not np.isfinite(frame.time_s):
            raise InputSpecError("looks at faces cannot be compared", expected="tracks and a time", found=frame.time_s)
        ended = self._pass_time(frame.time_s)
        rows = self._tracks.touch(tracks.ids, frame.time_s)
        better = np.flatnonzero(tracks.is_detected & (tracks.quality > self._tracks["quality"][rows]))
        improved = rows[better]
        self._tracks["quality"][improved] = tracks.quality[better]
        self._tracks["time_s"][improved] = frame.time_s
        self._tracks["frame_index"][improved] = frame.index
        self._tracks["box"][improved] = result.boxes[better]
        if self._keep_crops and result.detections is not None:
            crops = cut_faces(frame.image, result.detections.select(better), self._crop_margin)
            for track_id, crop in zip(tracks.ids[better].tolist(), crops, strict=True):
                self._crops[track_id] = crop.copy()  # a view would hold the whole frame
        return ended

    def shot_of(self, track_id: int) -> BestShot | None:
        """Return the best look at a face; None where there was none."""
        (row,) = self._tracks.find(np.array([track_id], np.int64)).tolist()
        return None if row < 0 else self._shot(row)

    def _shot(self, row: int) -> BestShot | None:
        tracks = self._tracks
        track_id, quality = int(tracks.ids[row]), float(tracks["quality"][row])
        if quality < 0.0:
            return None
        x0, y0, x1, y1 = tracks["box"][row].tolist()
        return BestShot(
            track_id=track_id,
            time_s=float(tracks["time_s"][row]),
            frame_index=int(tracks["frame_index"][row]),
            box=(x0, y0, x1, y1),
            quality=quality,
            crop=self._crops.get(track_id),
        )

    def _pass_time(self, time_s: float) -> list[BestShot]:
        limit_s = np.inf if time_s < self._time_s else time_s - self._forget_after_s
        self._time_s = time_s
        shots = [self._shot(row) for row in self._tracks.unseen(limit_s).tolist()]
        for track_id in self._tracks.drop_unseen(limit_s).tolist():
            self._crops.pop(track_id, None)
        return [shot for shot in shots if shot is not None]
