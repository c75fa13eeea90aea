"""Sources that go on by themselves: cameras and network streams."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from ...core.errors import SourceError
from ..frame import Clock, Frame
from .capture_clock import CaptureClock
from .connection import Connection, ConnectionThread
from .counters import SourceCounters
from .reconnect import ReconnectPolicy
from .recording import recording_frames
from .settings import SourceSettings
from .source import RefusedError, framed

_LOGGER = logging.getLogger(__name__)

_MAX_HUNG = 3


class LiveSource:
    """Gives the frames of a camera or stream, and connects again when it is lost.

    An outage is logged when it begins and when it is over, and each attempt in between at the level of debugging.

    Args:
        name: How to speak of the source; holds no credentials.
        connect: Opens it; raises SourceError where that fails, and RefusedError where trying again cannot help.
        policy: When to connect again.
        rng: Source of the jitter between attempts.
        settings: Deadlines, and what travels with each frame.
        counters: What ``connect`` counts.
    """

    def __init__(
        self,
        name: str,
        connect: Callable[[], Connection],
        policy: ReconnectPolicy | None = None,
        rng: np.random.Generator | None = None,
        *,
        settings: SourceSettings | None = None,
        counters: SourceCounters | None = None,
    ) -> None:
        self._name = name
        self._connect = connect
        self._settings = settings or SourceSettings()
        policy = policy or ReconnectPolicy()
        self._policy = replace(policy, initial_attempts=None) if self._settings.keep_trying else policy
        self._rng = rng or np.random.default_rng()  # differs between processes, or they would all come back together
        self._counters = counters or SourceCounters(name)
        self._hung: list[ConnectionThread] = []
        self._reconnects = 0
        self._next_index = 0
        self._is_recording = False

    @property
    def name(self) -> str:
        """How to speak of the source."""
        return self._name

    @property
    def reconnects(self) -> int:
        """How often the connection was lost and made again."""
        return self._reconnects

    @property
    def counters(self) -> Mapping[str, int]:
        """What was left out; see :class:`~fsrfer.runtime.sources.counters.SourceCounters`."""
        return self._counters.as_mapping()

    def frames(self, stop: threading.Event) -> Generator[Frame, None, None]:
        """Give the frames; see :class:`~fsrfer.runtime.sources.source.FrameSource`.

        Raises:
            SourceError: The other side refused from the beginning, or the policy gives up.
        """
        outages = _Outages(self._name, self._policy.settle_s)
        while not stop.is_set():
            self._is_recording = False
            try:
                for frame in self._connected_frames(stop):
                    self._reconnects += outages.note_frame()
                    yield frame
                if self._is_recording:
                    return
                problem = SourceError(f"{self._name} was disconnected")
            except SourceError as error:
                if self._is_recording or (isinstance(error, RefusedError) and not self._next_index):
                    raise
                problem = error.with_traceback(None)  # whose frames hold the connection and its last picture
            if not stop.is_set():
                failures = outages.note_failure(problem, had_frames=self._next_index > 0)
                stop.wait(self._delay_s(problem, failures))

    def _connected_frames(self, stop: threading.Event) -> Generator[Frame, None, None]:
        with self._connection_thread() as thread:
            connection = thread.wait_opened(stop)
            if connection is None:
                return
            self._is_recording = connection.is_recording
            if self._is_recording:
                yield from recording_frames(thread.images(stop), self._name, stop, self._settings)
            else:
                yield from self._live_frames(thread, stop)

    @contextmanager
    def _connection_thread(self) -> Iterator[ConnectionThread]:
        self._hung = [thread for thread in self._hung if thread.is_alive]
        if len(self._hung) >= _MAX_HUNG:
            raise SourceError(f"{self._name} hangs", found=f"{len(self._hung)} attempts that do not end")
        thread = ConnectionThread(
            self._connect,
            self._name,
            start_timeout_s=self._settings.start_timeout_s,
            read_timeout_s=self._settings.read_timeout_s,
        )
        thread.start()
        try:
            yield thread
        finally:
            thread.close()
            if thread.is_alive:
                self._hung.append(thread)
                self._counters.hung += 1

    def _live_frames(self, thread: ConnectionThread, stop: threading.Event) -> Generator[Frame, None, None]:
        clock = CaptureClock()
        for timed in thread.images(stop):
            time_s = time.time() - clock.age_s(timed.stream_time_s, time.monotonic())
            frame = framed(
                *(self._name, self._next_index, time_s, Clock.WALL, timed.image, self._settings),
                decoding_s=timed.decoding_s,
            )
            self._next_index += 1
            yield frame

    def _delay_s(self, problem: SourceError, failures: int) -> float:
        if self._policy.gives_up(failures, had_frames=self._next_index > 0):
            raise SourceError(
                f"gave up on {self._name} after {failures} attempts",
                found=problem,
                fix="check the address and the camera",
            ) from None
        # Cameras lock out who tries a wrong password too often.
        is_refused = isinstance(problem, RefusedError)
        return self._policy.max_delay_s if is_refused else self._policy.delay_s(failures, self._rng)


class _Outages:
    """The times without frames: said once each, and counted for the back-off until a connection holds."""

    def __init__(self, name: str, settle_s: float) -> None:
        self._name = name
        self._settle_s = settle_s
        self._failures = 0
        self._connected_s: float | None = None
        self._lost_s: float | None = None
        self._had_frames = False

    def note_failure(self, problem: SourceError, *, had_frames: bool) -> int:
        """Return the number of failures since a connection held for long enough."""
        now_s = time.monotonic()
        if self._connected_s is not None and now_s - self._connected_s >= self._settle_s:
            self._failures = 0
        self._failures += 1
        self._connected_s = None
        if self._lost_s is None:
            self._lost_s, self._had_frames = now_s, had_frames
            _LOGGER.warning("%s; trying again until it comes back", str(problem))
        else:
            _LOGGER.debug("%s; trying again", str(problem))
        return self._failures

    def note_frame(self) -> bool:
        """Return whether the frame is the first after a connection was lost."""
        now_s = time.monotonic()
        if self._connected_s is None:
            self._connected_s = now_s
        if self._lost_s is None:
            return False
        _LOGGER.warning("%s is connected again after %.1f s", self._name, now_s - self._lost_s)
        self._lost_s = None
        return self._had_frames
