"""Where the live page listens, who may see it, and what it may cost."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field

from ...core.errors import UsageError

_TOKEN = re.compile(r"[!-~]{16,}")
_EXPECTED = "HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080"


@dataclass(frozen=True)
class ModelInfo:
    """The model that runs, as the page and the metrics name it.

    Attributes:
        precision: Number format of the graph.
        backend: Library or execution provider that runs it.
        sha256: Hash of the graph or engine; None where nobody knows.
        labels: Its expressions.
    """

    precision: str
    backend: str
    sha256: str | None
    labels: tuple[str, ...]


@dataclass(frozen=True)
class ServingOptions:
    """Where the live page listens, who may see it, and what it may cost.

    Attributes:
        host: Address or name to listen on.
        port: TCP port; 0 takes a free one.
        token: Secret that clients have to know; None lets everybody in who can connect, which only a loopback address
            allows.
        allowed_hosts: Further names under which a browser may ask for the page: that of a reverse proxy, say. On a
            loopback address others are refused, or any web site could read the page through a DNS name of its own
            that points to 127.0.0.1 (DNS rebinding).
        max_streams: Most clients of streams of pictures and events at the same time.
        max_fps: Most pictures a second of each source and size.
        client_timeout_s: Time after which the system cuts off a client that takes nothing.

    Raises:
        UsageError: A value is out of range, or other machines could come in without a token.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    token: str | None = field(default=None, repr=False)
    allowed_hosts: tuple[str, ...] = ()
    max_streams: int = 32
    max_fps: float = 10.0
    client_timeout_s: float = 30.0

    def __post_init__(self) -> None:
        if not self.host or not 0 <= self.port <= 65535:
            raise UsageError("cannot listen there", expected=_EXPECTED, found=f"{self.host}:{self.port}")
        if self.max_streams < 1 or not self.max_fps > 0 or not self.client_timeout_s > 0:
            raise UsageError(
                "impossible limits of the live page",
                expected="at least one stream, pictures a second and a timeout above 0",
                found=f"{self.max_streams}, {self.max_fps}, {self.client_timeout_s}",
            )
        if self.token is not None and not _TOKEN.fullmatch(self.token):
            raise UsageError(
                "the token of the live page is too short, or no plain text",
                expected="16 printable ASCII characters or more, and no blanks",
                found=f"{len(self.token)} characters",
                fix="make one with `openssl rand -hex 16`",
            )
        if self.token is None and not self.is_loopback:
            raise UsageError(
                "the live page would be open to other machines",
                expected="a loopback address, or a token that clients have to know",
                found=f"{self.host} without a token",
                fix="serve on 127.0.0.1, or make a token with `openssl rand -hex 16` and give it",
            )

    @classmethod
    def parse(cls, address: str, *, token: str | None = None, allowed_hosts: tuple[str, ...] = ()) -> ServingOptions:
        """Read an address as a user writes it.

        Args:
            address: ``127.0.0.1:8080``, ``localhost:8080``, ``[::1]:8080``, ``0.0.0.0:8080``.
            token: See the class.
            allowed_hosts: See the class.

        Raises:
            UsageError: It is no address, or see the class.
        """
        host, colon, port = address.rpartition(":")
        is_bracketed = host.startswith("[") and host.endswith("]")
        if not colon or not (port.isascii() and port.isdecimal()) or (":" in host and not is_bracketed):
            raise UsageError("cannot listen there", expected=_EXPECTED, found=address)
        return cls(host.strip("[]"), int(port), token, allowed_hosts)

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False
