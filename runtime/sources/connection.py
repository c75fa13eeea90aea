"""One connection to a camera or stream, opened and read in a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass

from ...core.errors import SourceError
from .source import TimedImage

_POLL_S = 0.1
_JOIN_S = 1.0


@dataclass(frozen=True)
class Connection:
    """An open camera or stream.

    Attributes:
        images: Its pictures, and None for each that was left out on purpose, which shows that the stream is alive.
            Closing the generator closes the connection. Its end means that the connection is lost.
        is_recording: The pictures come from a recording of known length: its end is its end.
    """

    images: Generator[TimedImage | None, None, None]
    is_recording: bool = False


class ConnectionThread:
    """Opens and reads a connection, and keeps the deadlines for it.

    FFmpeg is asked to keep them too, and does for what it waits for itself. Nothing ends a resolver, a driver or a
    decoder that hangs: those are left behind in their thread, and the source goes on without them.

    Args:
        connect: Opens the connection.
        name: How to speak of the source; holds no credentials.
        start_timeout_s: Longest time to the first picture.
        read_timeout_s: Longest time between two pictures, or signs of life.
    """

    def __init__(
        self, connect: Callable[[], Connection], name: str, *, start_timeout_s: float, read_timeout_s: float
    ) -> None:
        self._connect = connect
        self._name = name
        self._start_timeout_s = start_timeout_s
        self._read_timeout_s = read_timeout_s
        self._changed = threading.Condition()
        self._opened: Connection | None = None
        self._slot: TimedImage | None = None
        self._problem: BaseException | None = None
        self._is_finished = False
        self._is_closed = False
        self._alive_s = 0.0
        # A daemon, for a read that the operating system does not end must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name=f"fsrfer-connection {name}", daemon=True)

    @property
    def is_alive(self) -> bool:
        """Whether the thread still runs; after :meth:`close`, whether it hangs."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Begin to open the connection."""
        self._alive_s = time.monotonic()
        self._thread.start()

    def wait_opened(self, stop: threading.Event) -> Connection | None:
        """Wait until the connection is open.

        Args:
            stop: Asks to return early.

        Returns:
            The connection, of which only ``is_recording`` is the caller's business; None when asked to stop.

        Raises:
            SourceError: It cannot be opened, or not in time.
        """
        with self._changed:
            if not self._wait(lambda: self._opened is not None, self._start_timeout_s, stop):
                return None
            return self._opened

    def images(self, stop: threading.Event) -> Generator[TimedImage, None, None]:
        """Give the pictures until the connection ends or the caller asks to stop.

        Args:
            stop: Asks to end; noticed within a tenth of a second.

        Raises:
            SourceError: The connection failed, or nothing came in time.
        """
        timeout_s = self._start_timeout_s
        while (timed := self._next(timeout_s, stop)) is not None:
            yield timed
            timeout_s = self._read_timeout_s
            self._alive_s = time.monotonic()  # what the caller did meanwhile is not the camera's silence

    def close(self) -> None:
        """Ask the thread to close the connection, and wait for a moment until it did."""
        with self._changed:
            self._is_closed = True
            self._slot = None
            self._changed.notify_all()
        self._thread.join(_JOIN_S)

    def _next(self, timeout_s: float, stop: threading.Event) -> TimedImage | None:
        with self._changed:
            if not self._wait(lambda: self._slot is not None, timeout_s, stop):
                return None
            timed, self._slot = self._slot, None
            self._changed.notify_all()
            return timed

    def _wait(self, is_ready: Callable[[], bool], timeout_s: float, stop: threading.Event) -> bool:
        while not is_ready():
            if self._problem is not None:
                raise self._problem
            if self._is_finished or stop.is_set():
                return False
            remaining_s = self._alive_s + timeout_s - time.monotonic()
            if remaining_s <= 0:
                raise SourceError(f"{self._name} is silent", found=f"no picture for {timeout_s:g} s")
            self._changed.wait(min(remaining_s, _POLL_S))
        return True

    def _run(self) -> None:
        problem: BaseException | None = None
        try:
            connection = self._connect()
            with closing(connection.images) as images:
                if not self._note_opened(connection):
                    return
                for timed in images:
                    if not self._hand_over(timed):
                        return
        except BaseException as error:  # noqa: BLE001 (carried to the thread that takes the pictures, and raised there)
            problem = _bare(error)
        finally:
            with self._changed:
                self._problem, self._is_finished = problem, True
                self._changed.notify_all()

    def _note_opened(self, connection: Connection) -> bool:
        with self._changed:
            if not self._is_closed:
                self._opened = connection
                self._changed.notify_all()
            return not self._is_closed

    def _hand_over(self, timed: TimedImage | None) -> bool:
        with self._changed:
            if timed is None:
                self._alive_s = time.monotonic()
                return not self._is_closed
            while self._slot is not None and not self._is_closed:
                self._changed.wait()
            if not self._is_closed:
                self._slot = timed
                self._changed.notify_all()
            return not self._is_closed


def _bare(problem: BaseException) -> BaseException:
    """Take from an error that a user can mend what leads to its frames: they hold the decoder and the last picture."""
    if isinstance(problem, SourceError):
        problem.__cause__ = problem.__context__ = problem.__traceback__ = None
    return problem
