"""Which servers to ask, and how: ``triton://host:8001/model``, understood once."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

from ...core.errors import UsageError
from ..address_options import AddressOptions
from ..secret import Secret
from ..sinks.server_address import parse_address
from ..sinks.tls import client_context
from ..sources.address import redact_address
from ..sources.reconnect import ReconnectPolicy

SCHEMES = ("triton", "tritons")
FORM = "triton[s]://HOST[:PORT][,HOST[:PORT]...]/MODEL[#OPTIONS]"
_DEFAULT_PORT = 8001


@dataclass(frozen=True)
class TritonSettings:
    """Servers that serve one model, and how to ask them.

    Attributes:
        endpoints: Host and port of each.
        model: Name of the model, the same on all.
        is_encrypted: Whether to use TLS.
        ca_file: Authorities (PEM) to trust; None for those of the system.
        cert_file: Our own certificate chain (PEM), for servers that want one.
        key_file: Its key.
        token: Sent with each request as ``authorization: Bearer``; None for none.
        deadline_s: Longest time that the faces of a live picture are waited for.
        outage_s: Longest time that a recording waits for a server that is away.
        in_flight: Requests that may be under way at the same time.
        keep_trying: Begin although no server answers, and look for them from then on.
        retry: Waits between attempts.
    """

    endpoints: tuple[str, ...]
    model: str
    is_encrypted: bool = False
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    token: Secret | None = None
    deadline_s: float = 1.0
    outage_s: float = 30.0
    in_flight: int = 8
    keep_trying: bool = False
    retry: ReconnectPolicy = field(default_factory=lambda: ReconnectPolicy(first_delay_s=0.05, max_delay_s=1.0))

    @property
    def name(self) -> str:
        """How to speak of them; holds no credentials."""
        return f"triton{'s' if self.is_encrypted else ''}://{','.join(self.endpoints)}/{self.model}"


def is_triton_address(text: str) -> bool:
    """Tell whether a text is meant to be an address of Triton."""
    return text.partition("://")[0] in SCHEMES and "://" in text


def parse_triton(text: str) -> TritonSettings:
    """Understand an address.

    Args:
        text: As :data:`FORM` says; docs/triton.md describes the options.

    Raises:
        UsageError: It is none, or an option is wrong. Credentials are not repeated.
    """
    address, _, fragment = text.partition("#")
    scheme, _, rest = address.partition("://")
    hosts, _, model = rest.partition("/")
    shown = redact_address(text)
    if "@" in rest:
        raise UsageError(
            f"{shown} holds credentials", expected="#token_env=VARIABLE or #token_file=FILE behind it", fix=FORM
        )
    if scheme not in SCHEMES or not model or "/" in model or "?" in model:
        raise UsageError(f"cannot understand {shown}", expected=FORM)
    endpoints = tuple(_endpoint(scheme, host, shown) for host in hosts.split(","))
    if len(set(endpoints)) < len(endpoints):
        raise UsageError(f"{shown} names a server twice", expected=FORM)
    is_encrypted = scheme == "tritons"
    options = AddressOptions(fragment, shown)
    settings = TritonSettings(
        endpoints=endpoints,
        model=model,
        is_encrypted=is_encrypted,
        ca_file=options.path("ca_file") if is_encrypted else None,
        cert_file=options.path("cert_file") if is_encrypted else None,
        key_file=options.path("key_file") if is_encrypted else None,
        token=options.secret("token"),
        deadline_s=options.number("deadline_ms", 1000.0, 1.0, 600_000.0) / 1000.0,
        outage_s=options.number("outage_s", 30.0, 0.0, 86_400.0),
        in_flight=options.integer("in_flight", 8, 1, 256),
    )
    options.finish()
    _check(settings, shown)
    return settings


def _endpoint(scheme: str, host: str, shown: str) -> str:
    try:
        address = parse_address(f"{scheme}://{host}", SCHEMES)
    except UsageError as problem:
        raise UsageError(f"cannot understand {shown}", expected=FORM) from problem
    name = f"[{address.host}]" if ":" in address.host else address.host
    return f"{name}:{address.port or _DEFAULT_PORT}"


def _check(settings: TritonSettings, shown: str) -> None:
    if (settings.cert_file is None) != (settings.key_file is None):
        raise UsageError(f"{shown} has half a certificate", expected="cert_file and key_file together")
    for path in (settings.cert_file, settings.key_file):
        if path is not None and not path.is_file():
            raise UsageError(f"{shown}: there is no file {path}", expected="a certificate chain and its key (PEM)")
    if settings.is_encrypted:
        client_context(settings.ca_file)
    elif settings.token is not None and not all(_is_loopback(endpoint) for endpoint in settings.endpoints):
        raise UsageError(
            f"{shown} would send the token in the clear", expected="tritons://, or a server on this machine"
        )


def _is_loopback(endpoint: str) -> bool:
    host = endpoint.rpartition(":")[0].strip("[]")
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
