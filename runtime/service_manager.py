"""Telling the service manager how the process is: systemd's notification protocol (sd_notify(3)), without a library.

A unit of ``Type=notify`` counts as started when the models are warm, not when the process exists; with ``WatchdogSec``
one whose main loop hangs is restarted.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Mapping

_LOGGER = logging.getLogger(__name__)


class ServiceManager:
    """Sends notifications where somebody wants them, and nothing elsewhere.

    Args:
        environment: Where ``NOTIFY_SOCKET``, ``WATCHDOG_USEC`` and ``WATCHDOG_PID`` are looked up; the process's own by
            default.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        environment = os.environ if environment is None else environment
        self._address = _address(environment.get("NOTIFY_SOCKET", ""))
        self._interval_s = _watchdog_interval_s(environment)
        self._last_sign_s = -float("inf")
        self._has_failed = False

    @property
    def is_listening(self) -> bool:
        """Whether there is a service manager that wants to know."""
        return self._address is not None

    def ready(self) -> None:
        """Say that the service is up, or up again after a reload."""
        self._send("READY=1")

    def reloading(self) -> None:
        """Say that the configuration is being read again; :meth:`ready` ends it."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Say that the service is ending."""
        self._send("STOPPING=1")

    def status(self, text: str) -> None:
        """Set the line that ``systemctl status`` shows."""
        self._send("STATUS=" + text.replace("\n", " "))

    def alive(self) -> None:
        """Give a sign of life to the watchdog, where there is one; call it often, it sends at half the interval."""
        now_s = time.monotonic()
        if self._interval_s is not None and now_s - self._last_sign_s >= self._interval_s / 2:
            self._last_sign_s = now_s
            self._send("WATCHDOG=1")

    def _send(self, message: str) -> None:
        if self._address is None:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                channel.settimeout(1.0)
                channel.sendto(message.encode(), self._address)
        except OSError as problem:
            if not self._has_failed:
                _LOGGER.warning("the service manager cannot be told: %s", problem)
            self._has_failed = True


def _address(name: str) -> str | None:
    if not name.startswith(("/", "@")):
        return None
    return "\0" + name[1:] if name.startswith("@") else name  # @ stands for the abstract namespace


def _watchdog_interval_s(environment: Mapping[str, str]) -> float | None:
    microseconds, process = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
    if not microseconds.isdecimal() or int(microseconds) == 0 or (process and process != str(os.getpid())):
        return None
    return int(microseconds) / 1e6
