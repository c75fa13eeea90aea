"""What a user may name as a sink, understood once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType

from ...core.errors import UsageError
from ..sources.address import redact_address, scheme_of
from .background import BackgroundSink
from .csv_files import FaceCsvSink, GroupCsvSink
from .json_lines import JsonLinesFileSink
from .mqtt import MqttConfig, MqttTransport
from .publishing import PublishingSink
from .server_address import ServerAddress, parse_address
from .sink import QueuedSink, ResultSink
from .sink_options import SinkOptions
from .webhook import WebhookConfig, WebhookTransport

SINK_FORMS = (
    "jsonl:FILE",
    "csv:FILE",
    "csv-groups:FILE",
    "mqtt[s]://[USER[:PASSWORD]@]HOST[:PORT][/PREFIX][#OPTIONS]",
    "webhook+http[s]://HOST[:PORT][/PATH][#OPTIONS]",
)
"""What :func:`open_sink` understands."""

_FILES: MappingProxyType[str, Callable[[Path], ResultSink]] = MappingProxyType(
    {"jsonl": JsonLinesFileSink, "csv": FaceCsvSink, "csv-groups": GroupCsvSink}
)


def open_sink(text: str) -> QueuedSink:
    """Understand what a user named; nothing is opened, connected to or written before the sink is entered.

    Args:
        text: One of :data:`SINK_FORMS`; docs/outputs.md describes them and their options.

    Returns:
        A sink that never holds the pipeline up.

    Raises:
        UsageError: It is none of these, or an option is wrong. Credentials are not repeated.
        MissingDependencyError: The sink needs a package that is not installed; the message names the extra.
    """
    scheme = scheme_of(text)
    if scheme in ("mqtt", "mqtts"):
        return _mqtt(text)
    if scheme in ("webhook+http", "webhook+https"):
        return _webhook(text)
    kind, _, path = text.partition(":")
    if kind in _FILES and path and not path.startswith("//"):
        return _file(kind, Path(path))
    raise UsageError(
        f"cannot tell what sink {redact_address(text) if scheme else text} is", expected=" or ".join(SINK_FORMS)
    )


def _file(kind: str, path: Path) -> QueuedSink:
    if path.is_dir() or not path.parent.is_dir():
        raise UsageError(
            f"{kind} cannot write to {path}",
            expected="a file in a folder that is there",
            found="a folder" if path.is_dir() else f"no folder {path.parent}",
        )
    return BackgroundSink(_FILES[kind](path), f"{kind}:{path}")


def _mqtt(text: str) -> QueuedSink:
    address, options = _split(text, text.partition("#")[0], ("mqtt", "mqtts"))
    if any(character in address.path for character in "+#\0") or "//" in address.path:
        raise UsageError(f"{redact_address(text)} has an impossible prefix", expected="levels without +, # and NUL")
    is_encrypted = address.scheme == "mqtts"
    password = options.secret("password") or address.password
    if address.username is None and password is not None:
        raise UsageError(f"{redact_address(text)} has a password for nobody", expected="USER@ before the host")
    config = MqttConfig(
        host=address.host,
        port=address.port or (8883 if is_encrypted else 1883),
        prefix=address.path or "fsrfer",
        is_encrypted=is_encrypted,
        username=address.username,
        password=password,
        qos=options.integer("qos", 0, 0, 2),
        ca_file=options.path("ca_file") if is_encrypted else None,
    )
    contents = options.contents("send")
    options.finish()
    return PublishingSink(MqttTransport(config), contents)


def _webhook(text: str) -> QueuedSink:
    url = text.partition("#")[0].partition("+")[2]
    address, options = _split(text, url, ("http", "https"))
    config = WebhookConfig(
        url=url,
        token=options.secret("token"),
        hmac_key=options.secret("hmac"),
        ca_file=options.path("ca_file") if address.scheme == "https" else None,
        batch_records=options.integer("batch", 100, 1, 10_000),
        batch_s=options.number("batch_s", 1.0, 0.0, 3600.0),
        timeout_s=options.number("timeout_s", 10.0, 0.1, 600.0),
    )
    contents = options.contents("send")
    options.finish()
    return PublishingSink(WebhookTransport(config), contents)


def _split(text: str, address: str, schemes: tuple[str, ...]) -> tuple[ServerAddress, SinkOptions]:
    options = SinkOptions(text.partition("#")[2], redact_address(text))
    return parse_address(address, schemes), options
