"""Addresses of servers, and the options that a user writes behind them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from ...core.errors import UsageError
from ..secret import Secret
from ..sources.address import redact_address


@dataclass(frozen=True)
class ServerAddress:
    """A server's address, taken apart.

    Attributes:
        scheme: ``https``, say.
        host: Name or number; an IPv6 address without brackets.
        port: None where the scheme's own is meant.
        path: Path, decoded, without slashes at its ends.
        target: Path and parameters as they are, for HTTP; ``/`` at least.
        username: Decoded; None for none.
        password: Decoded; None for none.
    """

    scheme: str
    host: str
    port: int | None
    path: str
    target: str = field(repr=False)
    username: str | None = field(repr=False)
    password: Secret | None


def parse_address(text: str, schemes: Collection[str]) -> ServerAddress:
    """Take an address apart.

    Args:
        text: The address, without options.
        schemes: Those that are understood.

    Raises:
        UsageError: It is not an address with one of the schemes; the message has no credentials.
    """
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
        host.encode("idna")
    except ValueError as problem:
        raise _refusal(text, schemes) from problem
    if parts.scheme not in schemes or not host or port == 0:
        raise _refusal(text, schemes)
    return ServerAddress(
        scheme=parts.scheme,
        host=host,
        port=port,
        path=unquote(parts.path).strip("/"),
        target=(parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
        username=unquote(parts.username) if parts.username else None,
        password=Secret(unquote(parts.password)) if parts.password else None,
    )


def _refusal(text: str, schemes: Collection[str]) -> UsageError:
    forms = ", ".join(f"{scheme}://HOST[:PORT][/PATH]" for scheme in schemes)
    return UsageError(
        f"cannot understand {redact_address(text)}",
        expected=forms,
        fix="write @, / and # in a user name or a password as %40, %2F and %23",
    )
