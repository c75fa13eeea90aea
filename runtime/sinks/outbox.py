"""Messages that wait to be sent: a bounded queue whose oldest give way."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from ...core.errors import UsageError
from .message import Message


@dataclass(frozen=True)
class OutboxLimits:
    """Limits of an outbox.

    Attributes:
        messages: Most messages that wait.
        size: Most bytes that their payloads may have together.
        close_s: How long it goes on sending after the run has ended.
    """

    messages: int = 1000
    size: int = 16 << 20
    close_s: float = 5.0

    def __post_init__(self) -> None:
        if self.messages < 1 or self.size < 1 or self.close_s < 0:
            raise UsageError(
                "impossible limits of an outbox",
                expected="1 or more messages and bytes, 0 s or more",
                found=f"{self.messages}, {self.size}, {self.close_s}",
            )


class Outbox:
    """Holds messages between those who write them and the thread that sends them.

    What is taken stays in the sender's hand until it says what became of it.

    Args:
        limits: Limits.
    """

    def __init__(self, limits: OutboxLimits | None = None) -> None:
        self._limits = limits or OutboxLimits()
        self._changed = threading.Condition()
        self._waiting: deque[Message] = deque()
        self._size = 0
        self._in_hand = 0
        self._delivered = 0
        self._dropped = 0
        self._refused = 0
        self._close_deadline_s: float | None = None
        self._wake: Callable[[], None] = lambda: None

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def delivered(self) -> int:
        """Messages that arrived, as far as the protocol tells."""
        return self._delivered

    @property
    def dropped(self) -> int:
        """Messages that did not arrive: newer ones took their place, the connection broke, or time was over."""
        return self._dropped

    @property
    def refused(self) -> int:
        """Messages that the other end did not want."""
        return self._refused

    @property
    def is_closing(self) -> bool:
        """Whether nothing more will come."""
        return self._close_deadline_s is not None

    @property
    def is_over(self) -> bool:
        """Whether the time for sending is over."""
        return self._close_deadline_s is not None and time.monotonic() >= self._close_deadline_s

    def on_change(self, wake: Callable[[], None]) -> None:
        """Call a function, from any thread, whenever something was put or the outbox is closing."""
        self._wake = wake

    def put(self, message: Message) -> None:
        """Add a message; the oldest ones go where it finds no room. After closing it is dropped itself."""
        with self._changed:
            if self.is_closing:
                self._dropped += 1
                return
            self._waiting.append(message)
            self._size += len(message.payload)
            while len(self._waiting) > self._limits.messages or self._size > self._limits.size:
                self._size -= len(self._waiting.popleft().payload)
                self._dropped += 1
            self._changed.notify_all()
        self._wake()

    def take(self, largest: int | None = None) -> Message | None:
        """Return the oldest message; None where there is none.

        Args:
            largest: Most bytes that its payload may have; None for any.
        """
        with self._changed:
            if not self._waiting or (largest is not None and len(self._waiting[0].payload) > largest):
                return None
            message = self._waiting.popleft()
            self._size -= len(message.payload)
            self._in_hand += 1
            return message

    def note_delivered(self, messages: int) -> None:
        """Count messages in hand that arrived."""
        with self._changed:
            self._in_hand -= messages
            self._delivered += messages

    def note_dropped(self, messages: int) -> None:
        """Count messages in hand that cannot be sent any more."""
        with self._changed:
            self._in_hand -= messages
            self._dropped += messages

    def note_refused(self, messages: int) -> None:
        """Count messages in hand that the other end did not want."""
        with self._changed:
            self._in_hand -= messages
            self._refused += messages

    def wait(self, seconds: float | None = None, *, messages: int = 1) -> None:
        """Wait until there are messages, or the outbox is closing.

        Args:
            seconds: Longest wait; None for as long as it takes.
            messages: How many.
        """
        with self._changed:
            self._changed.wait_for(lambda: len(self._waiting) >= messages or self.is_closing, seconds)

    def pause(self, seconds: float) -> None:
        """Wait between two attempts to send.

        Args:
            seconds: How long; cut short when the outbox is closed, and by the end of its time.
        """
        with self._changed:
            if not self.is_closing:
                self._changed.wait_for(lambda: self.is_closing, seconds)
                return
            left_s = (self._close_deadline_s or 0.0) - time.monotonic()
        time.sleep(max(min(seconds, left_s), 0.0))

    def close(self, *, keep: bool) -> float:
        """Take no more messages.

        Args:
            keep: Whether those that wait are still to be sent; else they are dropped, and the time is over.

        Returns:
            How long they may take, in seconds.
        """
        with self._changed:
            allowed_s = self._limits.close_s if keep else 0.0
            self._close_deadline_s = time.monotonic() + allowed_s
            if not keep:
                self._drop_waiting()
            self._changed.notify_all()
        self._wake()
        return allowed_s

    def give_up(self) -> None:
        """Drop what waits and what is in hand: it is not known to have arrived."""
        with self._changed:
            self._drop_waiting()
            self._dropped += self._in_hand
            self._in_hand = 0

    def _drop_waiting(self) -> None:
        self._dropped += len(self._waiting)
        self._waiting.clear()
        self._size = 0
