"""The expression of a group: what the faces of a scene show together, over a window of time.

A crowd is the case that FSR-FER was made for (Jing et al., arXiv 2004.02234): no single small face is read well, but a
hundred of them together are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..core.errors import UsageError
from .frame import Clock
from .results import FrameResult

FloatArray = npt.NDArray[np.float64]

_Z95 = 1.959964  # of the normal distribution


@dataclass(frozen=True)
class GroupConfig:
    """How groups are summed up.

    Attributes:
        window_s: Length of a window in seconds.
        min_people: Fewest people of whom anything is said: a window in which there were never as many at the same time,
            an empty one too, is suppressed. Tracks do not count here: one person may have had several.
        min_face_px: Faces smaller than this do not count towards expressions; they count as people.
    """

    window_s: float = 10.0
    min_people: int = 0
    min_face_px: float = 0.0

    def __post_init__(self) -> None:
        if not (self.window_s > 0 and math.isfinite(self.window_s)) or self.min_people < 0 or self.min_face_px < 0:
            raise UsageError(
                "impossible group options",
                expected="a window above 0 s, 0 or more people, a least face size of 0 px or more",
                found=f"{self.window_s}, {self.min_people}, {self.min_face_px}",
            )


@dataclass(frozen=True)
class GroupWindow:
    """What the faces of a source showed together in a window of time.

    Attributes:
        source: Name of the source.
        start_s: Begin of the window, in seconds of ``clock``.
        end_s: Its end, exclusive; the time of the last frame where the source ended inside the window.
        clock: What the times count from.
        frames: Frames in it.
        people: Tracks in it; where nobody is followed, the most faces of one frame. None where suppressed.
        faces_per_frame: Mean number of faces. None where suppressed.
        labels: The K expressions.
        shares: float64 (K,), mean over people of the probability of each expression, a person counting once however
            long he was seen; mean over faces where nobody is followed. Sums to 1. None where suppressed, or where no
            face was large enough.
        margin: float64 (K,), half the width of the 95 % interval of each share, from how much people differ (standard
            error of the mean; too narrow where nobody is followed, since one person's faces are alike). None where
            there are no shares, or one person alone.
        is_suppressed: Fewer people than the configuration asks for were seen at the same time: nothing is said about
            them.
    """

    source: str
    start_s: float
    end_s: float
    clock: Clock
    frames: int
    people: int | None
    faces_per_frame: float | None
    labels: tuple[str, ...]
    shares: FloatArray | None
    margin: FloatArray | None
    is_suppressed: bool


class GroupAggregator:
    """Sums up the frames of several sources in windows of equal length, each source by its own clock.

    Windows begin at multiples of their length, so that those of several live sources fall together. A window is closed
    by the first frame behind it; call :meth:`finish` at the end.

    Args:
        config: How.
    """

    def __init__(self, config: GroupConfig | None = None) -> None:
        self._config = config or GroupConfig()
        self._open: dict[str, _OpenWindow] = {}

    def add(self, result: FrameResult) -> list[GroupWindow]:
        """Count one frame.

        Args:
            result: Frames of one source come in order.

        Returns:
            The windows that it closes: none or one. Time in which a source showed nothing has no window.
        """
        frame = result.frame
        number = math.floor(frame.time_s / self._config.window_s)
        window = self._open.get(frame.source)
        closed = []
        if window is not None and window.number != number:
            closed.append(window.close(self._config))
            window = None
        if window is None:
            window = self._open[frame.source] = _OpenWindow(
                frame.source, number, frame.clock, result.predictions.labels
            )
        window.add(result, self._config)
        return closed

    def close(self, source: str) -> list[GroupWindow]:
        """Close the window of a source that is gone: none or one. Another of the same name begins anew."""
        window = self._open.pop(source, None)
        return [] if window is None else [window.close(self._config, at_last_frame=True)]

    def finish(self) -> list[GroupWindow]:
        """Close all windows, which end with their last frame."""
        closed = [window.close(self._config, at_last_frame=True) for window in self._open.values()]
        self._open.clear()
        return closed


class _OpenWindow:
    def __init__(self, source: str, number: int, clock: Clock, labels: tuple[str, ...]) -> None:
        self.source = source
        self.number = number
        self._clock = clock
        self._labels = labels
        self._frames = 0
        self._faces = 0
        self._most_faces = 0
        self._last_s = 0.0
        self._tracks: set[int] = set()
        self._means_of: dict[int, _Moments] = {}
        self._untracked = _Moments(len(labels))

    def add(self, result: FrameResult, config: GroupConfig) -> None:
        self._frames += 1
        self._faces += len(result)
        self._most_faces = max(self._most_faces, len(result))
        self._last_s = result.frame.time_s
        probabilities = result.predictions.probabilities.astype(np.float64)
        counts = (result.predictions.face_size_px >= config.min_face_px) & np.isfinite(probabilities).all(axis=1)
        if result.tracks is None:
            self._untracked.add(probabilities[counts])
            return
        self._tracks.update(result.tracks.ids.tolist())
        for track, row in zip(result.tracks.ids[counts].tolist(), probabilities[counts], strict=True):
            self._means_of.setdefault(track, _Moments(len(self._labels))).add(row[None])

    def close(self, config: GroupConfig, *, at_last_frame: bool = False) -> GroupWindow:
        people = len(self._tracks) if self._tracks else self._most_faces
        is_suppressed = self._most_faces < config.min_people
        start_s = self.number * config.window_s
        spread = self._untracked
        if self._tracks:
            spread = _Moments(len(self._labels))
            if self._means_of:
                spread.add(np.array([moments.mean for moments in self._means_of.values()]))
        has_shares = not is_suppressed and spread.count > 0
        return GroupWindow(
            source=self.source,
            start_s=start_s,
            end_s=self._last_s if at_last_frame else start_s + config.window_s,
            clock=self._clock,
            frames=self._frames,
            people=None if is_suppressed else people,
            faces_per_frame=None if is_suppressed else self._faces / self._frames,
            labels=self._labels,
            shares=spread.mean if has_shares else None,
            margin=spread.margin if has_shares and spread.count > 1 else None,
            is_suppressed=is_suppressed,
        )


class _Moments:
    """Mean and spread of rows, without keeping them."""

    def __init__(self, columns: int) -> None:
        self.count = 0
        self._sum = np.zeros(columns)
        self._squares = np.zeros(columns)

    def add(self, rows: FloatArray) -> None:
        self.count += len(rows)
        self._sum += rows.sum(axis=0)
        self._squares += np.square(rows).sum(axis=0)

    @property
    def mean(self) -> FloatArray:
        mean: FloatArray = self._sum / self.count
        return mean

    @property
    def margin(self) -> FloatArray:
        variance = np.maximum(self._squares / self.count - self.mean**2, 0.0) * self.count / (self.count - 1)
        margin: FloatArray = _Z95 * np.sqrt(variance / self.count)
        return margin
