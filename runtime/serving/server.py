"""Runs the live page in a thread of its own."""

from __future__ import annotations

import errno
import logging
import socket
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

from ...core.errors import MissingDependencyError, UsageError
from ..pipeline_report import PipelineReport
from .hub import LiveHub
from .options import ModelInfo, ServingOptions

if TYPE_CHECKING:
    from .uvicorn_server import EmbeddedServer

_LOGGER = logging.getLogger(__name__)

_START_S = 20.0
_STOP_S = 5.0
_POLL_S = 0.05
_OTHER_CONNECTIONS = 96  # besides streams; a browser holds up to six
_PROBE_INTERVAL_S = 10
_KEEP_ALIVE_PROBES = 3


class LiveServer:
    """The live page over HTTP while a ``with`` block runs.

    The server has its own thread and event loop, and touches no signal handler. Leaving the block ends all
    connections, also those of clients that watch or hang, within a few seconds.

    Args:
        hub: What the pipeline leaves for the page.
        report: Gives what the pipeline did so far, from any thread; None before it stands.
        options: Where to listen, who may come in, and what it may cost.
        model: What runs, where that is known.

    Raises:
        MissingDependencyError: When entered: the extra ``serve`` is not installed.
        UsageError: When entered: the address is taken, or is none of this machine.
    """

    def __init__(
        self,
        hub: LiveHub,
        report: Callable[[], PipelineReport | None],
        options: ServingOptions | None = None,
        *,
        model: ModelInfo | None = None,
    ) -> None:
        self._hub = hub
        self._report = report
        self._options = options or ServingOptions()
        self._model = model
        self._stop = threading.Event()
        self._server: EmbeddedServer | None = None
        self._thread: threading.Thread | None = None
        self._port = self._options.port

    @property
    def address(self) -> str:
        """Where the page is, such as ``http://127.0.0.1:8080/``; with the port that was taken, once entered."""
        host = f"[{self._options.host}]" if ":" in self._options.host else self._options.host
        return f"http://{host}:{self._port}/"

    def __enter__(self) -> LiveServer:
        self._stop.clear()
        listener = _listen(self._options)
        self._port = listener.getsockname()[1]
        try:
            self._server = self._build()
        except BaseException:
            listener.close()
            raise
        # A daemon: a page must never keep a process from ending.
        self._thread = threading.Thread(
            target=self._server.run, args=([listener],), name="fsrfer-live-page", daemon=True
        )
        self._thread.start()
        self._wait_for_start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        assert self._server is not None
        assert self._thread is not None
        self._stop.set()
        self._server.should_exit = True
        self._thread.join(_STOP_S)
        if self._thread.is_alive():
            _LOGGER.warning("the live page does not end; the process goes on without it")

    def _build(self) -> EmbeddedServer:
        try:
            from .app import LivePage
            from .uvicorn_server import EmbeddedServer
        except ImportError as problem:
            package = (problem.name or "").partition(".")[0]
            raise MissingDependencyError.for_extra(package, "serve", "the live page") from problem
        page = LivePage(self._hub, self._report, self._options, model=self._model, port=self._port, stop=self._stop)
        return EmbeddedServer(page.app, max_connections=self._options.max_streams + _OTHER_CONNECTIONS)

    def _wait_for_start(self) -> None:
        assert self._server is not None
        assert self._thread is not None
        deadline_s = time.monotonic() + _START_S
        while not self._server.is_up.wait(_POLL_S):
            if not self._thread.is_alive() or time.monotonic() > deadline_s:
                self._end()
                raise RuntimeError("the live page did not start; the log says why")


def _listen(options: ServingOptions) -> socket.socket:
    """Return a socket that listens, so that a wrong address is an error at once, and not one in a thread."""
    try:
        family = socket.getaddrinfo(options.host, options.port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((options.host, options.port), family=family)
    except OSError as problem:
        raise UsageError(
            f"the live page cannot listen on {options.host}:{options.port}",
            expected="a free port of this machine",
            found=problem.strerror or str(problem),
            fix="name another port, or 0 for any" if problem.errno == errno.EADDRINUSE else "name another address",
        ) from problem
    _expect_dead_clients(listener, options.client_timeout_s)
    return listener


def _expect_dead_clients(listener: socket.socket, timeout_s: float) -> None:
    """Have the system close connections to clients that are gone or take nothing; accepted sockets inherit this."""
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, max(round(timeout_s), 1))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _PROBE_INTERVAL_S)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _KEEP_ALIVE_PROBES)
    # Without it, a client that is there and never reads holds its place forever.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(1000 * timeout_s))
