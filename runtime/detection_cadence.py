"""How often the detector runs: on every frame, on every N-th, or as often as the load allows.

Between detections, faces are where their motion takes them. Detection is by far the dearest part of a frame.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ..core.errors import UsageError

_SHARE = 0.2  # of a new measurement in the moving averages
_BUSY = 0.85  # share of the time that may be filled; the rest is for what was not measured
_LOST = 0.05  # share of frames that give way to newer ones; a few do whatever the load
_FEW_LOST = 0.01
_RELAXED = 0.7  # detection becomes more frequent only where that would leave this much


class DetectionCadence:
    """Decides which frames are searched for faces.

    The sources take turns: of four sources that are searched on every fourth frame, one is searched at a time. A source
    that asks for the first time is always searched.

    Args:
        every: Search every so many frames of a source; None adapts it to the load of live sources.
        max_every: Largest distance that adapting chooses.

    Raises:
        UsageError: A number is below 1.
    """

    def __init__(self, every: int | None = 1, *, max_every: int = 5) -> None:
        if (every is not None and every < 1) or max_every < 1:
            raise UsageError(
                "impossible distance between detections", expected="1 or more", found=f"{every}, {max_every}"
            )
        self._is_fixed = every is not None
        self._every = every or 1
        self._max_every = max_every
        self._waiting: dict[str, int] = {}
        self._detect_s: float | None = None
        self._other_s: float | None = None

    @property
    def every(self) -> int:
        """Distance of searched frames of one source."""
        return self._every

    def is_due(self, source: str) -> bool:
        """Tell whether the next frame of a source is to be searched, and count it.

        Args:
            source: Its name.
        """
        if source not in self._waiting:
            # Those that come later are searched at other frames than those before.
            self._waiting[source] = len(self._waiting) % self._every
            return True
        self._waiting[source] += 1
        if self._waiting[source] < self._every:
            return False
        self._waiting[source] = 0
        return True

    def forget(self, source: str) -> None:
        """Drop what is known about a source that is gone."""
        self._waiting.pop(source, None)

    def observe(self, detect_s: float | None, other_s: float) -> None:
        """Learn what a frame costs.

        Args:
            detect_s: Time of its detection in seconds; None where it was not searched.
            other_s: Time of everything else.
        """
        if detect_s is not None:
            self._detect_s = _average(self._detect_s, detect_s)
        self._other_s = _average(self._other_s, other_s)

    def adapt(self, arrivals_per_s: float, lanes: int = 1, lost: float = 0.0) -> None:
        """Choose the distance for a rate of frames; one step at a time. A fixed one stays.

        Detection and everything else happen side by side. The part of the time that is filled is that of the busier:
        rate * detection / every / lanes, or rate * everything else. What else the processor does is not in these times,
        decoding above all; but where it is too much, frames are lost.

        Args:
            arrivals_per_s: Frames of all live sources together that arrive in a second, whether there was time for
                them or not; 0 where no source is live, and then every frame is searched.
            lanes: Threads that detect at the same time.
            lost: Share of them for which there was no time.
        """
        if self._is_fixed:
            return
        if arrivals_per_s <= 0 or self._detect_s is None or self._other_s is None:
            self._every = 1
            return
        if lost > _LOST or self._load(arrivals_per_s, self._every, lanes) > _BUSY:
            self._every = min(self._every + 1, self._max_every)
        elif lost < _FEW_LOST and self._every > 1 and self._load(arrivals_per_s, self._every - 1, lanes) < _RELAXED:
            self._every -= 1

    def _load(self, arrivals_per_s: float, every: int, lanes: int) -> float:
        if self._detect_s is None or self._other_s is None:
            return 0.0
        return arrivals_per_s * max(self._detect_s / every / lanes, self._other_s)


@dataclass(frozen=True)
class Arrivals:
    """Frames that arrived between two looks.

    Attributes:
        seconds: Time between them.
        per_second: Frames in a second.
    """

    seconds: float
    per_second: float


class ArrivalRate:
    """Counts the frames that arrive, from counts that only grow.

    Args:
        interval_s: Least time between two looks.
    """

    def __init__(self, interval_s: float = 1.0) -> None:
        self._interval_s = interval_s
        self._looked_s = -math.inf
        self._counts: Mapping[str, int] = {}

    def is_due(self, now_s: float) -> bool:
        """Tell whether it is time to look again."""
        return now_s - self._looked_s >= self._interval_s

    def look(self, counts: Mapping[str, int], now_s: float) -> Arrivals | None:
        """Return what arrived since the last look; None at the first.

        Args:
            counts: Frames so far by source; sources may come and go.
            now_s: Present time of the monotonic clock.
        """
        elapsed_s = now_s - self._looked_s
        before, self._counts, self._looked_s = self._counts, dict(counts), now_s
        if not math.isfinite(elapsed_s) or elapsed_s <= 0:
            return None
        frames = sum(max(count - before.get(name, count), 0) for name, count in counts.items())
        return Arrivals(elapsed_s, frames / elapsed_s)


def _average(before: float | None, now: float) -> float:
    return now if before is None else (1 - _SHARE) * before + _SHARE * now
