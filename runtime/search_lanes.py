"""Threads that search frames for faces side by side, and hand on those of each source in their order.

One thread for everything leaves cores idle: a small network gains little from a second thread inside an operator, and
nothing is searched while faces are followed, cropped and read. Here each lane searches a frame of its own meanwhile.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from types import TracebackType

from .detection import FaceDetections
from .face_search import FaceSearch
from .frame import Frame
from .sources import FrameCollector
from .telemetry import Stage, StageTimes

_POLL_S = 0.1

SearchedFrame = tuple[Frame, FaceDetections | None]
"""A frame, and its faces; None where it was not its turn."""


@dataclass(eq=False)
class _Haul:
    """What a lane took at once."""

    frames: list[Frame]
    found: list[FaceDetections | None]
    error: BaseException | None = None
    forgotten: set[str] = field(default_factory=set)
    is_searched: bool = False
    is_handed_on: bool = False


class SearchLanes:
    """Takes frames and searches them; use it as a context manager, inside those of the collector and the detector.

    A lane takes no other frame before its last one was handed on: no more frames than lanes are ever on their way, so
    that live frames do not grow old in a queue. A frame waits for earlier ones of its own source only: one that need
    not be searched is not held up by another camera's that is.

    Args:
        collector: Gives frames.
        search: Finds their faces, in as many lanes; None where every frame is one ready-made face.
        stages: Told how long live frames waited for their turn.
        lanes: Number of threads.
        most: Most frames that a lane takes at once, of those that are ready.
    """

    def __init__(
        self, collector: FrameCollector, search: FaceSearch | None, stages: StageTimes, *, lanes: int = 1, most: int = 1
    ) -> None:
        self._collector = collector
        self._search = search
        self._stages = stages
        self._most = most
        self._turn = threading.Lock()  # frames are taken one lane at a time: so hauls have their order
        self._changed = threading.Condition()
        self._hauls: list[_Haul] = []
        self._is_taking = False
        self._is_stopped = False
        self._threads = [
            threading.Thread(target=self._work, args=(lane,), name=f"fsrfer-detect {lane}", daemon=True)
            for lane in range(lanes)
        ]

    @property
    def is_exhausted(self) -> bool:
        """Whether no further frame will come."""
        if not self._collector.is_exhausted:  # first: a frame that a lane has taken since then counts as one of taking
            return False
        with self._changed:
            return not self._is_taking and not self._hauls

    def take(self, timeout_s: float) -> list[SearchedFrame]:
        """Return the next frames, searched; nothing when the time is over or no further frame will come.

        Args:
            timeout_s: Longest wait.

        Raises:
            FsrferError: Their detection failed.
        """
        deadline_s = time.monotonic() + timeout_s
        with self._changed:
            while (haul := self._next()) is None:
                remaining_s = deadline_s - time.monotonic()
                if remaining_s <= 0 or (self._collector.is_exhausted and not self._is_taking and not self._hauls):
                    return []
                self._changed.wait(min(remaining_s, _POLL_S))
            self._hauls.remove(haul)
            haul.is_handed_on = True
            self._changed.notify_all()
        if haul.error is not None:
            raise haul.error
        pairs = zip(haul.frames, haul.found, strict=True)
        return [(frame, faces) for frame, faces in pairs if frame.source not in haul.forgotten]

    def _next(self) -> _Haul | None:
        """Return the first haul that is searched and is not behind another one of its sources."""
        waiting: set[str] = set()
        for haul in self._hauls:
            sources = {frame.source for frame in haul.frames}
            if haul.is_searched and not sources & waiting:
                return haul
            waiting |= sources
        return None

    def forget(self, source: str) -> None:
        """Hand on no frame of a source that the collector gives no longer; the search forgets it too."""
        with self._turn, self._changed:  # no frame is between the collector and a haul
            for haul in self._hauls:
                haul.forgotten.add(source)
        if self._search is not None:
            self._search.forget(source)

    def __enter__(self) -> SearchLanes:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()  # for as long as a detection takes: what it runs on is closed next

    def _work(self, lane: int) -> None:
        while not self._is_stopped:
            haul, due = self._take()
            if haul is None:
                continue
            try:
                if haul.error is None:
                    self._find(haul, due, lane)
            except BaseException as problem:  # noqa: BLE001 (carried to the thread that takes, and raised there)
                haul.error = problem
            with self._changed:
                haul.is_searched = True
                self._changed.notify_all()
                while not (haul.is_handed_on or self._is_stopped):
                    self._changed.wait()

    def _find(self, haul: _Haul, due: list[bool], lane: int) -> None:
        if self._search is None:
            return
        wanted = [frame for frame, is_due in zip(haul.frames, due, strict=True) if is_due]
        found = iter(self._search.find(wanted, lane))
        haul.found = [next(found) if is_due else None for is_due in due]

    def _take(self) -> tuple[_Haul | None, list[bool]]:
        self._collector.wait(_POLL_S)  # not in turn: who waits for frames must not keep others from a lock
        with self._turn:
            with self._changed:
                self._is_taking = True
            haul, due = None, []
            try:
                frames = self._ready_frames()
                if frames:
                    haul = _Haul(frames, [None] * len(frames))
                    due = [] if self._search is None else self._search.choose(frames)
            except BaseException as problem:  # noqa: BLE001 (as above)
                haul = _Haul([], [], problem)
            with self._changed:
                self._is_taking = False
                if haul is not None:
                    self._hauls.append(haul)
                elif self._collector.is_exhausted:
                    self._changed.notify_all()  # who waits for a frame learns that none will come
        if haul is None and self._collector.is_exhausted:
            with self._changed:
                self._changed.wait_for(lambda: self._is_stopped, _POLL_S)  # a source may be added yet
        return haul, due

    def _ready_frames(self) -> list[Frame]:
        frames: list[Frame] = []
        frame = self._collector.take(0.0)
        while frame is not None:
            frames.append(frame)
            self._note_taken(frame)
            frame = self._collector.take(0.0) if len(frames) < self._most else None
        return frames

    def _note_taken(self, frame: Frame) -> None:
        now_s = time.monotonic()
        if frame.decoding_s is not None:
            self._stages.record(Stage.DECODE, *frame.decoding_s, (frame,))
        if frame.is_live:
            age_s = max(time.time() - frame.time_s, 0.0)
            self._stages.record(Stage.WAIT, now_s - age_s, now_s, (frame,))
        else:  # it waited since nobody needed it sooner: no latency to count
            self._stages.note(Stage.WAIT, now_s if frame.decoding_s is None else frame.decoding_s[1], now_s, (frame,))
