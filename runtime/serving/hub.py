"""The place where the pipeline leaves what the live page shows."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, replace
from pathlib import PurePath
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from ..groups import GroupWindow
from ..pipeline_report import PipelineReport
from ..results import FrameResult
from ..sinks.records import frame_record, window_record
from ..sinks.source_slugs import SourceSlugs
from .events import EventFeed, EventKind
from .history import StatisticsHistory

HISTORY_S = 600.0
"""How far back the charts of the page reach."""

_MOST_WINDOWS = 600  # of each source
_LINGER_S = 1.0
_MOST_LINGERING = 64


@dataclass(frozen=True)
class LatestResult:
    """The latest result of a source.

    Attributes:
        result: The result, as the pipeline gave it: its image is no copy.
        sequence: Which result of the source it is, from 1.
        lingering: Where faces are hidden: time in the source's seconds and boxes of the results of the last second,
            this one included. A face that the detector misses in one frame does not show up for that frame.
    """

    result: FrameResult
    sequence: int
    lingering: tuple[tuple[float, npt.NDArray[np.float32]], ...] = ()

    @property
    def hidden_boxes(self) -> npt.NDArray[np.float32]:
        """Where nothing of the picture may be seen, float32 (N, 4): x0, y0, x1, y1 in pixels."""
        return np.concatenate([np.empty((0, 4), np.float32), *(boxes for _, boxes in self.lingering)])


class LiveHub:
    """A sink of results and of group windows that keeps, in memory alone, what the live page shows.

    Of each source it keeps the latest result (no copy of its frame), and of the last ten minutes the group windows
    and statistics by the second. :meth:`write` costs microseconds; pictures are drawn and compressed when somebody
    looks at them, by the threads of the server.

    Args:
        blur_faces: Show faces as a few colours. Only faces that were found can be hidden: where no face may
            be seen, show no pictures.
        aggregate_only: Keep no result, and show neither pictures nor how many faces there are, but in group windows.
    """

    def __init__(self, *, blur_faces: bool = False, aggregate_only: bool = False) -> None:
        self.blur_faces = blur_faces
        self.aggregate_only = aggregate_only
        self.events = EventFeed()
        self.history = StatisticsHistory(HISTORY_S)
        self._latest: dict[str, LatestResult] = {}
        self._windows: dict[str, deque[GroupWindow]] = {}
        self._slugs = SourceSlugs()
        self._names: frozenset[str] = frozenset()  # of all sources, as they were a moment ago
        self._lock = threading.Lock()

    def write(self, result: FrameResult) -> None:
        """Keep a result in place of the one before; where there are only aggregates, keep nothing."""
        if self.aggregate_only:
            return
        name = self._source_named(result.frame.source, is_still=result.frame.is_still)
        before = self._latest.get(name)
        sequence = 1 if before is None else before.sequence + 1
        lingering = _lingering(before, result) if self.blur_faces else ()
        with self._lock:
            self._latest[name] = LatestResult(result, sequence, lingering)
        if self.events.is_watched:
            light = _without_image(result)
            self.events.publish(EventKind.RESULT, name, lambda: {"source_id": self.id_of(name), **frame_record(light)})
        else:
            self.events.skip()

    def write_window(self, window: GroupWindow) -> None:
        """Keep a window, and forget those that are too old for the charts."""
        with self._lock:
            windows = self._windows.setdefault(window.source, deque(maxlen=_MOST_WINDOWS))
            windows.append(window)
            while windows[0].end_s < window.end_s - HISTORY_S:
                windows.popleft()
        self.events.publish(EventKind.WINDOW, window.source, lambda: self.record_of(window))

    def latest(self, source: str) -> LatestResult | None:
        """Return the latest result of a source; None before the first."""
        return self._latest.get(source)

    def latest_labels(self) -> tuple[str, ...]:
        """Return the expressions of what came so far; none before anything did."""
        with self._lock:
            for windows in self._windows.values():
                return windows[-1].labels
            for latest in self._latest.values():
                return latest.result.predictions.labels
        return ()

    def id_of(self, source: str) -> str:
        """Return what stands for a source in addresses, where its name cannot; used by one thread."""
        return self._slugs.slug_of(source)

    def record_of(self, window: GroupWindow) -> dict[str, Any]:
        """Return a window as every sink writes it, with the id of its source; used by the thread of the ids."""
        return {"source_id": self.id_of(self._source_named(window.source)), **window_record(window)}

    def windows(self) -> list[GroupWindow]:
        """Return the windows of all sources, those of each in order."""
        with self._lock:
            return [window for windows in self._windows.values() for window in windows]

    def sample(self, report: PipelineReport) -> None:
        """Take note of how the pipeline is, once a second, and forget sources that it no longer has."""
        self.history.add(report, monotonic_s=time.monotonic(), time_s=time.time())
        self._names = frozenset(status.name for status in report.sources)
        with self._lock:
            for name in self._latest.keys() - self._names:
                del self._latest[name]
            for name in self._windows.keys() - self._names:
                del self._windows[name]

    def _source_named(self, name: str, *, is_still: bool = False) -> str:
        """Return the source of what has a name: each picture of a folder bears its own, and replaces the one before."""
        folder = str(PurePath(name).parent)
        return folder if name not in self._names and (is_still or folder in self._names) else name

    def __enter__(self) -> LiveHub:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Keep everything: the page still shows how it ended."""


def _lingering(before: LatestResult | None, result: FrameResult) -> tuple[tuple[float, npt.NDArray[np.float32]], ...]:
    now_s = result.frame.time_s
    earlier = () if before is None or result.frame.is_still else before.lingering[-_MOST_LINGERING:]
    return (*(entry for entry in earlier if abs(now_s - entry[0]) <= _LINGER_S), (now_s, result.boxes))


def _without_image(result: FrameResult) -> FrameResult:
    """Return a result that keeps no picture in memory: its image has the shape, and one byte."""
    image = np.broadcast_to(np.uint8(0), result.frame.image.shape)
    return replace(result, frame=replace(result.frame, image=image))
