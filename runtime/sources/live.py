"""Sources that go on by themselves: cameras and network streams."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from ...core.errors import SourceError
from ..frame import Clock, Frame
from .capture_clock import CaptureClock
from .reconnect import ReconnectPolicy
from .recording import recording_frames
from .source import RefusedError, TimedImage

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class Connection:
    """An open camera or stream.

    Attributes:
        images: Its pictures; closing the generator closes the connection. Its end means that the connection is lost.
        is_recording: The pictures come from a recording of known length: its end is its end.
    """

    images: Generator[TimedImage, None, None]
    is_recording: bool = False


class LiveSource:
    """Gives the frames of a camera or stream, and connects again when it is lost.

    Args:
        name: How to speak of the source; holds no credentials.
        connect: Opens it; raises SourceError where that fails, and RefusedError where trying again cannot help.
        policy: When to connect again.
        rng: Source of the jitter between attempts.
    """

    def __init__(
        self,
        name: str,
        connect: Callable[[], Connection],
        policy: ReconnectPolicy | None = None,
        rng: np.random.Generator | None = None,
    ) -> None:
        self._name = name
        self._connect = connect
        self._policy = policy or ReconnectPolicy()
        self._rng = rng or np.random.default_rng()  # differs between processes, or they would all come back together
        self._reconnects = 0
        self._next_index = 0

    @property
    def name(self) -> str:
        """How to speak of the source."""
        return self._name

    @property
    def reconnects(self) -> int:
        """How often the connection was lost and made again."""
        return self._reconnects

    def frames(self, stop: threading.Event) -> Generator[Frame, None, None]:
        """Give the frames; see :class:`~fsrfer.runtime.sources.source.FrameSource`.

        Raises:
            SourceError: The other side refused, or the policy gives up.
        """
        failures = 0
        while not stop.is_set():
            is_recording = False
            try:
                connection = self._connect()
                is_recording = connection.is_recording
                if is_recording:
                    yield from recording_frames(connection.images, self._name, stop)
                    return
                with closing(self._live_frames(connection, stop)) as frames:
                    for frame in frames:
                        self._note_connected(failures)
                        failures = 0
                        yield frame
                problem = SourceError(f"{self._name} was disconnected")
            except SourceError as error:
                if isinstance(error, RefusedError) or is_recording:
                    raise
                problem = error
            failures += 1
            self._wait_or_give_up(problem, failures, stop)

    def _live_frames(self, connection: Connection, stop: threading.Event) -> Generator[Frame, None, None]:
        clock = CaptureClock()
        with closing(connection.images) as images:
            for timed in images:
                if stop.is_set():
                    return
                time_s = clock.time_of(timed.stream_time_s, time.time())
                index, self._next_index = self._next_index, self._next_index + 1
                yield Frame(self._name, index, time_s, Clock.WALL, timed.image)

    def _note_connected(self, failures: int) -> None:
        if failures and self._next_index > 1:
            self._reconnects += 1
            _LOGGER.warning("%s is connected again", self._name)

    def _wait_or_give_up(self, problem: SourceError, failures: int, stop: threading.Event) -> None:
        if stop.is_set():
            return
        if self._policy.gives_up(failures, had_frames=self._next_index > 0):
            raise SourceError(
                f"gave up on {self._name} after {failures} attempts",
                found=problem,
                fix="check the address and the camera",
            ) from None
        delay_s = self._policy.delay_s(failures, self._rng)
        _LOGGER.warning("%s; trying again in %.1f s", problem, delay_s)
        stop.wait(delay_s)
