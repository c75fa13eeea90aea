"""Whether the other end of a network can be reached: said once when it is lost, and once when it is back."""

from __future__ import annotations

import logging
import threading
import time

from .sink import SinkError

_LOGGER = logging.getLogger(__name__)


class Outage:
    """Remembers whether results arrive, and why not; may be asked from any thread.

    Args:
        name: How to speak of the other end; holds no credentials.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._error: SinkError | None = None
        self._since_s = 0.0
        self._count = 0

    @property
    def error(self) -> SinkError | None:
        """Why results do not arrive; None where they do."""
        return self._error

    @property
    def count(self) -> int:
        """How often it was lost."""
        return self._count

    def begin(self, problem: str) -> None:
        """Note that results do not arrive; it is logged unless that is known already.

        Args:
            problem: Why; without credentials.
        """
        with self._lock:
            is_known = self._error is not None
            self._error = SinkError(f"results do not reach {self._name}", found=problem)
            if is_known:
                return
            self._since_s = time.monotonic()
            self._count += 1
        _LOGGER.warning("results do not reach %s: %s; trying on", self._name, problem)

    def end(self) -> None:
        """Note that results arrive."""
        with self._lock:
            if self._error is None:
                return
            self._error = None
            lasted_s = time.monotonic() - self._since_s
        _LOGGER.warning("results reach %s again, after %.0f s", self._name, lasted_s)
