"""uvicorn, made to start and to end inside another program."""

from __future__ import annotations

import asyncio
import socket
import threading

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

_GRACE_S = 1.0
_KEEP_ALIVE_S = 5
_IDLE_TICKS = 100


class EmbeddedServer(uvicorn.Server):
    """A server that tells when it is up, and that no client can keep from ending.

    Args:
        app: The application.
        max_connections: Beyond these, clients are sent away with status 503.
    """

    def __init__(self, app: ASGIApp, *, max_connections: int) -> None:
        config = uvicorn.Config(
            app,
            http="h11",
            loop="asyncio",
            ws="none",
            lifespan="on",
            log_config=None,
            log_level="error",  # below it are lines for every malformed request
            access_log=False,  # addresses may hold a token
            proxy_headers=False,
            server_header=False,
            limit_concurrency=max_connections,
            timeout_keep_alive=_KEEP_ALIVE_S,
        )
        super().__init__(config)
        self.is_up = threading.Event()
        self._idle: set[H11Protocol] = set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and tell so."""
        await super().startup(sockets)
        self.is_up.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End: streams have a moment to finish by themselves; then connections are cut, also to clients that hang."""
        cut = asyncio.get_running_loop().call_later(_GRACE_S, self._cut_connections)
        await super().shutdown(sockets)
        cut.cancel()

    async def on_tick(self, counter: int) -> bool:
        """Look after the connections, ten times a second."""
        if counter % _IDLE_TICKS == 0:
            self._cut_idle_connections()
        return await super().on_tick(counter)

    def _cut_idle_connections(self) -> None:
        """Cut those that asked for nothing since they were looked at before: uvicorn would keep them forever."""
        idle: set[H11Protocol] = set()
        for connection in self.server_state.connections:  # WebSockets, too, where those are installed
            if isinstance(connection, H11Protocol) and connection.cycle is None:
                idle.add(connection)
        for waiting in idle & self._idle:
            waiting.transport.abort()
        self._idle = idle

    def _cut_connections(self) -> None:
        for connection in list(self.server_state.connections):
            connection.transport.abort()
