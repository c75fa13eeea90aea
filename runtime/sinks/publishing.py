"""A sink that sends results over a network, whatever the protocol."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from types import TracebackType
from typing import Protocol

from ..groups import GroupWindow
from ..results import FrameResult
from .message import Content, Message, MessageWriter
from .outage import Outage
from .outbox import Outbox, OutboxLimits
from .sink import SinkError

_LOGGER = logging.getLogger(__name__)

_GRACE_S = 1.0  # for a transport to notice that its time is over


class Transport(Protocol):
    """Sends messages by some protocol."""

    @property
    def name(self) -> str:
        """How to speak of the other end; holds no credentials."""

    def run(self, outbox: Outbox, outage: Outage) -> None:
        """Send messages until the outbox is closing and empty, or its time is over.

        Args:
            outbox: What to send. A message that is taken and cannot be sent is counted there.
            outage: Told whether messages arrive. Nothing that is wrong with the network may raise.
        """


class PublishingSink:
    """Queues results as messages, and sends them on a thread of its own; never holds the pipeline up.

    While the other end is away, or too slow, the newest messages wait; older ones are dropped and counted. That is
    logged once when it begins, and once when it is over. Leaving the sink sends what waits, for
    ``OutboxLimits.close_s`` at most; leaving it because of an error throws it away.

    Args:
        transport: How to send.
        contents: What to send.
        limits: Of the queue.
    """

    def __init__(
        self,
        transport: Transport,
        contents: frozenset[Content] = frozenset(Content),
        limits: OutboxLimits | None = None,
    ) -> None:
        self._transport = transport
        self._writer = MessageWriter(contents)
        self._outbox = Outbox(limits)
        self._outage = Outage(transport.name)
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._send, name=f"sink {transport.name}", daemon=True)

    @property
    def name(self) -> str:
        """How to speak of it; holds no credentials."""
        return self._transport.name

    @property
    def dropped(self) -> int:
        """Messages that did not arrive: newer ones took their place, the connection broke, or time was over."""
        return self._outbox.dropped

    @property
    def delivered(self) -> int:
        """Messages that arrived, as far as the protocol tells."""
        return self._outbox.delivered

    @property
    def refused(self) -> int:
        """Messages that the other end did not want."""
        return self._outbox.refused

    @property
    def outages(self) -> int:
        """How often the other end was lost, a first connection that failed included."""
        return self._outage.count

    @property
    def failure(self) -> Exception | None:
        """Why messages do not arrive now, or, once the sink is left, did not all arrive; None where all is well."""
        return self._failure or self._outage.error

    def write(self, result: FrameResult) -> None:
        """Queue what is to be sent about one frame."""
        self._put(self._writer.of_result(result))

    def write_window(self, window: GroupWindow) -> None:
        """Queue one window of time."""
        self._put(self._writer.of_window(window))

    def _put(self, messages: Iterable[Message]) -> None:
        for message in messages:
            self._outbox.put(message)

    def _send(self) -> None:
        try:
            self._transport.run(self._outbox, self._outage)
        except Exception as error:
            self._failure = error
            _LOGGER.error("sending to %s failed and is off; the rest goes on", self.name, exc_info=error)
            self._outbox.close(keep=False)

    def __enter__(self) -> PublishingSink:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._put(self._writer.at_end())
        dropped_before = self._outbox.dropped
        self._thread.join(self._outbox.close(keep=kind is None) + _GRACE_S)
        self._outbox.give_up()
        lost = self._outbox.dropped - dropped_before
        if kind is None and lost and self._failure is None:
            _LOGGER.warning("%d messages to %s did not arrive before the end", lost, self.name)
            problem = self._outage.error
            self._failure = SinkError(
                f"{lost} messages did not reach {self.name}", found=None if problem is None else problem.found
            )
