"""Results over MQTT 3.1.1, with the package paho-mqtt (extra ``mqtt``)."""

from __future__ import annotations

import secrets
import selectors
import socket
import time
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core.errors import MissingDependencyError
from ..secret import Secret
from ..sources.reconnect import ReconnectPolicy
from .message import Message
from .outage import Outage
from .outbox import Outbox
from .source_slugs import SourceSlugs
from .tls import client_context, reason_of

if TYPE_CHECKING:
    from paho.mqtt.client import Client
    from paho.mqtt.reasoncodes import ReasonCode

_KEEPALIVE_S = 30
_TICK_S = 1.0  # how often the connection is looked after while nothing happens
_STABLE_S = 10.0  # a connection that lasted so long was a good one
_MOST_IN_FLIGHT = 20


@dataclass(frozen=True)
class MqttConfig:
    """A broker, and how to publish to it.

    Attributes:
        host: Its name or address.
        port: Its port.
        prefix: First levels of all topics, without a slash at either end.
        is_encrypted: Whether to use TLS.
        username: Who we are; None for nobody.
        password: Their password.
        qos: Quality of service of results, 0 to 2.
        ca_file: Authorities (PEM) to trust; None for those of the system.
        reconnect: When to try again.
    """

    host: str
    port: int = 1883
    prefix: str = "fsrfer"
    is_encrypted: bool = False
    username: str | None = field(default=None, repr=False)
    password: Secret | None = None
    qos: int = 0
    ca_file: Path | None = None
    reconnect: ReconnectPolicy = field(default_factory=ReconnectPolicy)

    @property
    def name(self) -> str:
        """How to speak of it; without user and password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"mqtt{'s' if self.is_encrypted else ''}://{host}:{self.port}/{self.prefix}"

    @property
    def status_topic(self) -> str:
        """Where it says whether it is there."""
        return f"{self.prefix}/status"


class MqttTransport:
    """Publishes to ``PREFIX/SOURCE/faces``, ``.../group`` and ``.../tracks``.

    ``PREFIX/status`` is retained: ``online``, and ``offline`` once it has left or, by the broker's word (last will),
    vanished.

    Args:
        config: The broker.

    Raises:
        MissingDependencyError: paho-mqtt is not installed.
        UsageError: The certificates cannot be read.
    """

    def __init__(self, config: MqttConfig) -> None:
        self._config = config
        self._client = _new_client(config)

    @property
    def name(self) -> str:
        """The broker and the prefix; holds no credentials."""
        return self._config.name

    def run(self, outbox: Outbox, outage: Outage) -> None:
        """Publish until the outbox is closing and empty, or its time is over."""
        config, rng, failures = self._config, np.random.default_rng(), 0
        with _Alarm() as alarm:
            publisher = _Publisher(config, self._client, outbox, outage, alarm)
            outbox.on_change(alarm.ring)
            while not outbox.is_over:
                was_closing, started_s = outbox.is_closing, time.monotonic()
                problem = publisher.connect_and_serve()
                if problem is None:
                    return
                outage.begin(problem)
                if was_closing:  # one more attempt after the end is enough
                    return
                # A broker that takes us and throws us out again at once gets its rest as well.
                failures = 1 if time.monotonic() - started_s > _STABLE_S else failures + 1
                outbox.pause(config.reconnect.delay_s(failures, rng))


def _new_client(config: MqttConfig) -> Client:
    try:
        from paho.mqtt import client as paho
        from paho.mqtt.enums import CallbackAPIVersion
    except ModuleNotFoundError as problem:
        raise MissingDependencyError.for_extra("paho-mqtt", "mqtt", "publishing over MQTT") from problem
    client = paho.Client(
        CallbackAPIVersion.VERSION2,
        client_id=f"fsrfer-{secrets.token_hex(6)}",
        protocol=paho.MQTTv311,
        reconnect_on_failure=False,
    )
    if config.username is not None:
        client.username_pw_set(config.username, None if config.password is None else config.password.value)
    if config.is_encrypted:
        client.tls_set_context(client_context(config.ca_file))
    client.will_set(config.status_topic, "offline", qos=1, retain=True)
    return client


class _Publisher:
    """Drives one client; all of its calls are made on one thread, so that no lock of it can hold up the pipeline."""

    def __init__(self, config: MqttConfig, client: Client, outbox: Outbox, outage: Outage, alarm: _Alarm) -> None:
        self._config = config
        self._client = client
        self._outbox = outbox
        self._outage = outage
        self._alarm = alarm
        self._slugs = SourceSlugs()
        self._is_connected = False
        self._refusal: str | None = None
        self._in_flight: dict[int, bool] = {}  # packet identifier: whether it is a message of the outbox
        self._has_said_goodbye = False
        client.on_connect = lambda _client, _userdata, _flags, reason, _properties: self._note_answer(reason)
        client.on_publish = lambda _client, _userdata, number, _reason, _properties: self._note_published(number)

    def connect_and_serve(self) -> str | None:
        """Connect and publish for as long as it goes well.

        Returns:
            Why it does not any more; None where all is done.
        """
        self._is_connected, self._refusal = False, None
        try:
            self._client.connect(self._config.host, self._config.port, _KEEPALIVE_S)
        except OSError as problem:
            return reason_of(problem)
        connection: Any = self._client.socket()
        with selectors.DefaultSelector() as selector, closing(connection):
            selector.register(self._alarm.socket, selectors.EVENT_READ)
            selector.register(connection, selectors.EVENT_READ)
            while self._client.socket() is connection and not self._step(selector, connection):
                pass
        self._forget_lost()
        if self._has_said_goodbye:
            return None
        return self._refusal or ("the connection was lost" if self._is_connected else "the broker does not answer")

    def _step(self, selector: selectors.BaseSelector, connection: Any) -> bool:
        """Publish what waits, exchange with the broker; return whether all is over."""
        if self._is_connected:
            self._outage.end()
            self._publish_waiting()
            self._leave_when_done()
        if self._client.socket() is connection:
            self._exchange(selector, connection)
            self._alarm.reset()
        return self._outbox.is_over and (self._has_said_goodbye or not self._is_connected)

    def _exchange(self, selector: selectors.BaseSelector, connection: Any) -> None:
        client = self._client
        writing = selectors.EVENT_WRITE if client.want_write() else 0
        selector.modify(connection, selectors.EVENT_READ | writing)
        # TLS may have decrypted more than was read, which the selector cannot see.
        has_more = hasattr(connection, "pending") and connection.pending() > 0
        ready = {key.fileobj: events for key, events in selector.select(0 if has_more else _TICK_S)}
        events = ready.get(connection, 0)
        if has_more or events & selectors.EVENT_READ:
            client.loop_read()
        if events & selectors.EVENT_WRITE:
            client.loop_write()
        client.loop_misc()

    def _publish_waiting(self) -> None:
        # What the client has taken cannot be dropped any more: it gets no more than the network takes from it.
        while len(self._in_flight) < _MOST_IN_FLIGHT and not self._client.want_write():
            message = self._outbox.take()
            if message is None:
                return
            self._publish_message(message)

    def _publish_message(self, message: Message) -> None:
        topic = f"{self._config.prefix}/{self._slugs.slug_of(message.source)}/{message.content.value}"
        info = self._client.publish(topic, message.payload, qos=self._config.qos)
        if info.rc != 0 and self._config.qos == 0:
            self._outbox.note_dropped(1)
        elif info.rc == 0 and info.is_published():
            self._outbox.note_delivered(1)
        else:
            self._in_flight[info.mid] = True

    def _publish_status(self, status: str) -> None:
        self._in_flight[self._client.publish(self._config.status_topic, status, qos=1, retain=True).mid] = False

    def _leave_when_done(self) -> None:
        outbox = self._outbox
        is_done = not len(outbox) and not self._in_flight and not self._client.want_write()
        if not outbox.is_closing or not (is_done or outbox.is_over):
            return
        if not self._has_said_goodbye:
            self._publish_status("offline")
            self._has_said_goodbye = True
        else:
            self._client.disconnect()

    def _forget_lost(self) -> None:
        if self._config.qos == 0:  # of higher quality, the client keeps what is in flight and sends it again
            lost = [number for number, is_message in self._in_flight.items() if is_message]
            self._outbox.note_dropped(len(lost))
            for number in lost:
                del self._in_flight[number]

    def _note_answer(self, reason: ReasonCode) -> None:
        if reason.is_failure:
            self._refusal = f"the broker refuses: {reason}"
            return
        self._is_connected = True
        self._publish_status("online")

    def _note_published(self, number: int) -> None:
        if self._in_flight.pop(number, False):
            self._outbox.note_delivered(1)


class _Alarm:
    """Wakes a selector from other threads."""

    def __init__(self) -> None:
        self.socket, self._bell = socket.socketpair()
        for end in (self.socket, self._bell):
            end.setblocking(False)

    def ring(self) -> None:
        with suppress(OSError):  # it rings already, or nobody listens any more
            self._bell.send(b"\0")

    def reset(self) -> None:
        with suppress(BlockingIOError):
            while self.socket.recv(4096):
                pass

    def __enter__(self) -> _Alarm:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()
        self._bell.close()
