"""Reads several sources at once, each in a thread of its own, and hands their frames out in turn."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Sequence
from contextlib import closing
from types import TracebackType

from ...core.errors import SourceError, UsageError
from ..frame import Frame
from .source import FrameSource
from .status import DropReason, SourceState, SourceStatus

_LOGGER = logging.getLogger(__name__)

_POLL_S = 0.1
_JOIN_S = 2.0
_SILENCE_S = 8.0  # more than the time after which a source is opened again


class FrameCollector:
    """Hands out the frames of all sources in turn; use it as a context manager.

    A recording waits for its frames to be taken. A live source does not: only its latest frame is kept, and those
    that nobody took in time are counted as dropped, so that no lag builds up. A source that fails is logged once, and
    the others go on. Sources may come and go while it runs.

    Args:
        sources: What to read.
        queue_frames: Frames of each recording that are decoded ahead.
        max_frames: Frames of each source after which it ends; None for no limit.
        max_staleness_s: Age beyond which a live frame is dropped when its turn comes; None for no limit.

    Raises:
        UsageError: There is no source, or a limit is out of range.
    """

    def __init__(
        self,
        sources: Sequence[FrameSource],
        *,
        queue_frames: int = 4,
        max_frames: int | None = None,
        max_staleness_s: float | None = None,
    ) -> None:
        too_small = max_staleness_s is not None and not max_staleness_s > 0
        if not sources or queue_frames < 1 or (max_frames is not None and max_frames < 1) or too_small:
            raise UsageError(
                "nothing to read",
                expected="at least one source, queue_frames and max_frames of 1 or more, a staleness above 0",
                found=f"{len(sources)} sources, {queue_frames}, {max_frames}, {max_staleness_s}",
            )
        self._changed = threading.Condition()
        self._is_stopped = False
        self._is_started = False
        self._queue_frames = queue_frames
        self._readers = [_Reader(source, self._changed, queue_frames) for source in sources]
        self._max_frames = max_frames
        self._max_staleness_s = max_staleness_s
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

    def add(self, source: FrameSource) -> None:
        """Read another source from now on; its name is nobody else's."""
        with self._changed:
            reader = _Reader(source, self._changed, self._queue_frames)
            self._readers = [*self._readers, reader]
            if self._is_started:
                reader.start()

    def remove(self, name: str) -> None:
        """Hand out no further frame of a source, and forget it; one that is not there is fine.

        Its thread ends as soon as the read that it is in.
        """
        with self._changed:
            for reader in self._readers:
                if reader.name == name:
                    reader.end()
            self._readers = [reader for reader in self._readers if reader.name != name]
            self._changed.notify_all()

    def wait(self, timeout_s: float) -> None:
        """Wait until there is a frame to take, or none will come any more; at most for so long."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while not (self.is_exhausted or any(reader.has_news for reader in self._readers)):
                remaining_s = deadline - time.monotonic()
                if remaining_s <= 0:
                    return
                self._changed.wait(min(remaining_s, _POLL_S))

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
                    frame = self._take_from(reader)
                    if frame is not None:
                        return frame
                    continue
                remaining_s = _POLL_S if deadline is None else deadline - time.monotonic()
                if remaining_s <= 0 or self.is_exhausted:
                    return None
                # `stop` does not notify: hence the poll.
                self._changed.wait(min(remaining_s, _POLL_S))
        return None

    def __enter__(self) -> FrameCollector:
        with self._changed:
            self._is_started = True
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

    def _take_from(self, reader: _Reader) -> Frame | None:
        frame = reader.take(self._max_staleness_s)
        if frame is not None and reader.taken == self._max_frames:
            reader.end()
        self._changed.notify_all()
        return frame


class _Reader:
    """One source, its thread and its queue; everything but :meth:`_read` is called under the lock of ``changed``."""

    def __init__(self, source: FrameSource, changed: threading.Condition, queue_frames: int) -> None:
        self.stop = threading.Event()
        self.queue: deque[Frame] = deque()
        self.taken = 0
        self._is_live: bool | None = None
        self._seen_s: float | None = None
        self._source = source
        self._changed = changed
        self._queue_frames = queue_frames
        self._drops: Counter[DropReason] = Counter()
        self._is_finished = False
        self._error: SourceError | None = None
        self._defect: BaseException | None = None
        # A daemon, for a read that the operating system does not end must not keep the process from ending.
        self._thread = threading.Thread(target=self._read, name=f"fsrfer-source {source.name}", daemon=True)

    @property
    def name(self) -> str:
        return self._source.name

    @property
    def is_live(self) -> bool:
        return bool(self._is_live)

    @property
    def is_exhausted(self) -> bool:
        return self._is_finished and not self.queue

    @property
    def has_news(self) -> bool:
        return bool(self.queue) or self._defect is not None

    def start(self) -> None:
        self._thread.start()

    def join(self, timeout_s: float) -> None:
        self._thread.join(timeout_s)

    def take(self, max_staleness_s: float | None) -> Frame | None:
        frame = self.queue.popleft()
        if frame.is_live and max_staleness_s is not None and time.time() - frame.time_s > max_staleness_s:
            self._drops[DropReason.STALE] += 1
            return None
        self.taken += 1
        return frame

    def end(self) -> None:
        self.stop.set()
        self.queue.clear()
        self._is_finished = True

    def status(self) -> SourceStatus:
        return SourceStatus(
            name=self.name,
            state=self._state(),
            is_live=self._is_live,
            frames=self.taken,
            drops=dict(self._drops),
            reconnects=self._source.reconnects,
            error=self._error,
            seen_s=self._seen_s,
            counters=dict(getattr(self._source, "counters", {})),  # a user's own source need not count
        )

    def _state(self) -> SourceState:
        if self._error is not None:
            return SourceState.FAILED
        if self._is_finished:
            return SourceState.ENDED
        if self._seen_s is None:
            return SourceState.OPENING
        return SourceState.SILENT if self._is_live and time.time() - self._seen_s > _SILENCE_S else SourceState.UP

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
            error = problem.with_traceback(None)  # which holds the last frame
        except BaseException as problem:  # noqa: BLE001 (carried to the thread that takes frames, and raised there)
            defect = problem
        with self._changed:
            self._error, self._defect, self._is_finished = error, defect, True
            self._changed.notify_all()

    def _put(self, frame: Frame) -> bool:
        with self._changed:
            self._is_live, self._seen_s = frame.is_live, time.time()
            if frame.is_live and self.queue:
                self._drops[DropReason.REPLACED] += len(self.queue)
                self.queue.clear()
            while len(self.queue) >= self._queue_frames and not self.stop.is_set():
                self._changed.wait(_POLL_S)
            if self.stop.is_set():
                return False
            self.queue.append(frame)
            self._changed.notify_all()
        return True
