"""Reads several sources at once, each in a thread of its own, and hands their frames out in turn."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from types import TracebackType

from ...core.errors import SourceError, UsageError
from ..frame import Frame
from .source import FrameSource

_LOGGER = logging.getLogger(__name__)

_POLL_S = 0.1
_JOIN_S = 2.0


@dataclass(frozen=True)
class SourceStatus:
    """What became of a source so far.

    Attributes:
        name: Its name.
        frames: Frames that were handed out.
        dropped: Frames of a live source that gave way to newer ones.
        reconnects: How often its connection was lost and made again.
        error: Why it failed; None while it has not.
    """

    name: str
    frames: int
    dropped: int
    reconnects: int
    error: SourceError | None


class FrameCollector:
    """Hands out the frames of all sources in turn; use it as a context manager.

    A recording waits for its frames to be taken. A live source does not: only its latest frame is kept, and those
    that nobody took in time are counted as dropped, so that no lag builds up. A source that fails is logged once, and
    the others go on.

    Args:
        sources: What to read.
        queue_frames: Frames of each recording that are decoded ahead.
        max_frames: Frames of each source after which it ends; None for no limit.

    Raises:
        UsageError: There is no source, or a limit is below 1.
    """

    def __init__(self, sources: Sequence[FrameSource], *, queue_frames: int = 4, max_frames: int | None = None) -> None:
        if not sources or queue_frames < 1 or (max_frames is not None and max_frames < 1):
            raise UsageError(
                "nothing to read",
                expected="at least one source, queue_frames and max_frames of 1 or more",
                found=f"{len(sources)} sources, {queue_frames}, {max_frames}",
            )
        self._changed = threading.Condition()
        self._is_stopped = False
        self._readers = [_Reader(source, self._changed, queue_frames) for source in sources]
        self._max_frames = max_frames
        self._turn = 0

    @property
    def is_exhausted(self) -> bool:
        """Whether no further frame will come."""
        return self._is_stopped or all(reader.is_exhausted for reader in self._readers)

    @property
    def live_sources(self) -> int:
        """Number of live sources that are giving frames."""
        return sum(reader.is_live and not reader.is_exhausted for reader in self._readers)

    def statuses(self) -> tuple[SourceStatus, ...]:
        """Return what became of each source so far, in their order."""
        with self._changed:
            return tuple(reader.status() for reader in self._readers)

    def stop(self) -> None:
        """Hand out no further frame; may be called from a signal handler and from any thread."""
        self._is_stopped = True  # no lock and no event: a handler may have interrupted the very code that holds it

    def take(self, timeout_s: float | None = None) -> Frame | None:
        """Return the next frame of the source whose turn it is, of those that have one.

        Args:
            timeout_s: Longest wait; None waits until a frame comes or all sources ended.

        Returns:
            The frame; None when the time is over or no further frame will come.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        with self._changed:
            while not self._is_stopped:
                reader = self._next_ready()
                if reader is not None:
                    return self._take_from(reader)
                remaining_s = _POLL_S if deadline is None else deadline - time.monotonic()
                if remaining_s <= 0 or self.is_exhausted:
                    return None
                # `stop` does not notify: hence the poll.
                self._changed.wait(min(remaining_s, _POLL_S))
        return None

    def __enter__(self) -> FrameCollector:
        for reader in self._readers:
            reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        for reader in self._readers:
            reader.stop.set()
        with self._changed:
            self._changed.notify_all()
        deadline = time.monotonic() + _JOIN_S
        for reader in self._readers:
            reader.join(max(deadline - time.monotonic(), 0.0))

    def _next_ready(self) -> _Reader | None:
        count = len(self._readers)
        for position in range(self._turn, self._turn + count):
            reader = self._readers[position % count]
            reader.raise_defect()
            if reader.queue:
                self._turn = (position + 1) % count
                return reader
        return None

    def _take_from(self, reader: _Reader) -> Frame:
        frame = reader.take()
        if reader.taken == self._max_frames:
            reader.end()
        self._changed.notify_all()
        return frame


class _Reader:
    """One source, its thread and its queue; everything but :meth:`_read` is called under the lock of ``changed``."""

    def __init__(self, source: FrameSource, changed: threading.Condition, queue_frames: int) -> None:
        self.stop = threading.Event()
        self.queue: deque[Frame] = deque()
        self.taken = 0
        self.is_live = False
        self._source = source
        self._changed = changed
        self._queue_frames = queue_frames
        self._dropped = 0
        self._is_finished = False
        self._error: SourceError | None = None
        self._defect: BaseException | None = None
        # A daemon, for a read that the operating system does not end must not keep the process from ending.
        self._thread = threading.Thread(target=self._read, name=f"fsrfer-source {source.name}", daemon=True)

    @property
    def is_exhausted(self) -> bool:
        return self._is_finished and not self.queue

    def start(self) -> None:
        self._thread.start()

    def join(self, timeout_s: float) -> None:
        self._thread.join(timeout_s)

    def take(self) -> Frame:
        self.taken += 1
        return self.queue.popleft()

    def end(self) -> None:
        self.stop.set()
        self.queue.clear()
        self._is_finished = True

    def status(self) -> SourceStatus:
        return SourceStatus(self._source.name, self.taken, self._dropped, self._source.reconnects, self._error)

    def raise_defect(self) -> None:
        if self._defect is not None:
            raise self._defect

    def _read(self) -> None:
        error: SourceError | None = None
        defect: BaseException | None = None
        try:
            with closing(self._source.frames(self.stop)) as frames:
                for frame in frames:
                    if not self._put(frame):
                        break
        except SourceError as problem:
            _LOGGER.error("%s", problem)
            error = problem
        except BaseException as problem:  # noqa: BLE001 (carried to the thread that takes frames, and raised there)
            defect = problem
        with self._changed:
            self._error, self._defect, self._is_finished = error, defect, True
            self._changed.notify_all()

    def _put(self, frame: Frame) -> bool:
        with self._changed:
            self.is_live = frame.is_live
            if frame.is_live:
                self._dropped += len(self.queue)
                self.queue.clear()
            while len(self.queue) >= self._queue_frames and not self.stop.is_set():
                self._changed.wait(_POLL_S)
            if self.stop.is_set():
                return False
            self.queue.append(frame)
            self._changed.notify_all()
        return True
