"""What happens, for clients that want to hear of it one by one."""

from __future__ import annotations

import json
import secrets
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from functools import cached_property
from itertools import islice
from typing import Any

_KEPT = 256
_AT_ONCE = 8


class EventKind(str, Enum):
    """What an event tells of."""

    RESULT = "result"
    """The faces of a frame."""

    WINDOW = "window"
    """A group over a window of time."""


class Event:
    """One event; its text is made when the first client takes it, and shared by all.

    Args:
        number: Position among all events of the process, from 1.
        kind: What it tells of.
        source: Name of the source.
        record: Gives the event as plain values.
    """

    def __init__(self, number: int, kind: EventKind, source: str, record: Callable[[], Mapping[str, Any]]) -> None:
        self.number = number
        self.kind = kind
        self.source = source
        self._record = record

    @cached_property
    def data(self) -> str:
        """The event as one line of JSON."""
        return json.dumps(self._record(), allow_nan=False)


class EventFeed:
    """One ring of the latest events, from which every client reads at its own pace.

    A client is no more than the number of the last event that it took. One that is too slow finds that the ring has
    moved on, and learns how many events it lost: no number of slow clients makes memory grow. While nobody watches, an
    event costs an addition.
    """

    def __init__(self) -> None:
        self.run_id = secrets.token_hex(4)
        """Tells the events of this process from those of an earlier one."""
        self._lock = threading.Lock()
        self._ring: deque[Event] = deque(maxlen=_KEPT)
        self._newest = 0
        self._watchers = 0

    @property
    def newest(self) -> int:
        """Number of the latest event; 0 before the first."""
        return self._newest

    @property
    def is_watched(self) -> bool:
        """Whether anybody takes events."""
        return self._watchers > 0

    def publish(self, kind: EventKind, source: str, record: Callable[[], Mapping[str, Any]]) -> None:
        """Add an event, from any thread.

        Args:
            kind: What it tells of.
            source: Name of the source.
            record: Gives the event as plain values; called at most once, later, and it holds what it needs until then.
        """
        with self._lock:
            self._newest += 1
            if self._watchers:
                self._ring.append(Event(self._newest, kind, source, record))

    def skip(self) -> None:
        """Count an event that nobody watches."""
        with self._lock:
            self._newest += 1

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Keep events while the block runs."""
        with self._lock:
            self._watchers += 1
        try:
            yield
        finally:
            with self._lock:
                self._watchers -= 1
                if not self._watchers:
                    self._ring.clear()

    def after(self, number: int) -> tuple[list[Event], int]:
        """Return the next events of a client, eight at most, so that it holds on to no more than these.

        Args:
            number: Of the last event that it took.

        Returns:
            The events, and how many before them are lost.
        """
        with self._lock:
            if not self._ring:
                return [], self._newest - number
            first = self._ring[0].number
            lost = max(first - number - 1, 0)
            start = max(number + 1 - first, 0)
            return list(islice(self._ring, start, start + _AT_ONCE)), lost
