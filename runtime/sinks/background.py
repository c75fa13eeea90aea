"""A sink on a thread of its own, so that a slow, stuck or broken one never holds the others up."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType

from ...core.errors import FsrferError, UsageError
from ..frame import Clock
from ..groups import GroupWindow
from ..results import FrameResult
from .sink import ResultSink, SinkError, WindowSink

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class BackgroundOptions:
    """Limits of a sink in the background.

    Attributes:
        queue_results: Most results that wait, each with its frame: 6 MB at 1920x1080.
        write_s: How long the sink may take for one result before somebody who waits for it takes it for stuck.
        complete_s: How long it may take to complete its files; a large video is copied once.
    """

    queue_results: int = 8
    write_s: float = 60.0
    complete_s: float = 300.0

    def __post_init__(self) -> None:
        if self.queue_results < 1 or not (self.write_s > 0 and self.complete_s > 0):
            raise UsageError(
                "impossible limits of a sink",
                expected="a queue of 1 or more, times above 0 s",
                found=f"{self.queue_results}, {self.write_s}, {self.complete_s}",
            )


class BackgroundSink:
    """Hands results to another sink on a thread of its own.

    Where the sink is too slow, live results give way: the oldest of them that waits is dropped for a newer one, and
    counted. Results of recordings are not dropped; whoever writes them waits for room.

    A sink that raises, or is stuck while somebody waits for it, is off from then on. That is logged once and kept in
    ``failure``; what comes after counts as dropped, and the pipeline and the other sinks go on. Leaving writes what
    still waits; leaving because of an error throws it away. Neither raises what the sink raised: ask for ``failure``.

    Args:
        sink: The other sink, not entered yet. It is entered by whoever enters this one, and written to and left by the
            thread in the background.
        name: How to speak of it.
        options: Limits.
    """

    def __init__(self, sink: ResultSink, name: str, options: BackgroundOptions | None = None) -> None:
        self._sink = sink
        self._name = name
        self._options = options or BackgroundOptions()
        self._entered = ExitStack()
        self._changed = threading.Condition()
        self._waiting: deque[FrameResult | GroupWindow] = deque()
        self._deadline_s: float | None = None  # of what the sink is doing, by the monotonic clock
        self._dropped = 0
        self._failure: Exception | None = None
        self._is_closing = False
        self._is_abandoned = False
        self._is_finished = False
        self._is_stuck = False
        self._thread = threading.Thread(target=self._serve, name=f"sink {name}", daemon=True)

    @property
    def name(self) -> str:
        """How to speak of it."""
        return self._name

    @property
    def dropped(self) -> int:
        """Results and windows that the sink was not given: it was too slow, or off."""
        return self._dropped

    @property
    def failure(self) -> Exception | None:
        """Why the sink is off; None where it is not."""
        return self._failure

    def write(self, result: FrameResult) -> None:
        """Queue one result."""
        self._put(result)

    def write_window(self, window: GroupWindow) -> None:
        """Queue one window, where the sink takes any."""
        if isinstance(self._sink, WindowSink):
            self._put(window)

    def __enter__(self) -> BackgroundSink:
        """Enter the other sink, whatever that raises, and start the thread."""
        self._entered.enter_context(self._sink)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._is_closing = True
            if kind is not None:
                self._is_abandoned = True
                self._drop_waiting()
            self._changed.notify_all()
            self._wait_until(lambda: self._is_finished)

    def _put(self, item: FrameResult | GroupWindow) -> None:
        with self._changed:
            if not _is_live(item):
                self._wait_until(lambda: self._has_room() or self._failure is not None)
            elif not self._has_room():
                self._drop_oldest_live()
            if self._failure is not None or not self._has_room():
                self._dropped += 1
                return
            self._waiting.append(item)
            self._changed.notify_all()

    def _has_room(self) -> bool:
        return len(self._waiting) < self._options.queue_results

    def _drop_oldest_live(self) -> None:
        oldest = next((place for place, item in enumerate(self._waiting) if _is_live(item)), None)
        if oldest is not None:
            del self._waiting[oldest]
            self._dropped += 1

    def _drop_waiting(self) -> None:
        self._dropped += len(self._waiting)
        self._waiting.clear()

    def _wait_until(self, condition: Callable[[], bool]) -> None:
        while not condition() and not self._is_stuck:
            deadline_s = self._deadline_s
            left_s = None if deadline_s is None else deadline_s - time.monotonic()
            if left_s is None or left_s > 0:
                self._changed.wait(left_s)
            else:
                self._is_stuck = True
                self._fail(SinkError(f"{self._name} is stuck", found=f"{len(self._waiting)} results that wait for it"))

    def _fail(self, error: Exception) -> None:
        with self._changed:
            if self._failure is not None:
                return
            self._failure = error
            self._drop_waiting()
            self._changed.notify_all()
        is_defect = not isinstance(error, (FsrferError, OSError))
        _LOGGER.error(
            "%s failed and is off from now on; the rest goes on: %s",
            self._name,
            error,
            exc_info=error if is_defect else None,
        )
        _forget_frames(error)

    def _serve(self) -> None:
        try:
            with self._entered:
                while self._write_next():
                    pass
                if self._is_abandoned or self._failure is not None:
                    raise _AbandonedError
        except _AbandonedError:
            pass
        except Exception as error:  # noqa: BLE001 (whatever it is, it is kept for the integrator and not hidden)
            self._fail(error)
        finally:
            with self._changed:
                self._is_finished = True
                self._changed.notify_all()

    def _write_next(self) -> bool:
        # A function of its own: no variable keeps the last frame alive while the next one is waited for.
        item = self._take()
        if item is None:
            return False
        try:
            if isinstance(item, FrameResult):
                self._sink.write(item)
            elif isinstance(self._sink, WindowSink):
                self._sink.write_window(item)
        except BaseException:
            with self._changed:
                self._dropped += 1
            raise
        return True

    def _take(self) -> FrameResult | GroupWindow | None:
        with self._changed:
            self._deadline_s = None
            while not self._waiting and not self._is_closing and self._failure is None:
                self._changed.wait()
            item = self._waiting.popleft() if self._waiting else None
            allowed_s = self._options.complete_s if item is None else self._options.write_s
            self._deadline_s = time.monotonic() + allowed_s
            self._changed.notify_all()
            return item


class _AbandonedError(Exception):
    """Tells the sink to throw away what is unfinished."""


def _is_live(item: FrameResult | GroupWindow) -> bool:
    return item.frame.is_live if isinstance(item, FrameResult) else item.clock is Clock.WALL


def _forget_frames(error: BaseException | None) -> None:
    """Drop the tracebacks of an error that is kept: their local variables hold results."""
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__
