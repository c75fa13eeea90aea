"""Results as batches of JSON, posted to a web server."""

from __future__ import annotations

import hashlib
import hmac
import uuid
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ...core.errors import UsageError
from ..secret import Secret
from ..sources.address import redact_address
from ..sources.reconnect import ReconnectPolicy
from .http_client import HttpAnswer, HttpClient
from .message import Message
from .outage import Outage
from .outbox import Outbox
from .records import SCHEMA_VERSION
from .tls import client_context

_LONGEST_RETRY_AFTER_S = 300.0


@dataclass(frozen=True)
class WebhookConfig:
    """A web server, and how to post to it.

    Attributes:
        url: ``http://`` or ``https://`` address without user and password. Its parameters may be secret.
        token: Sent as ``Authorization: Bearer TOKEN``; None for none.
        hmac_key: Key of the signature ``X-Hub-Signature-256: sha256=HEX``, the HMAC-SHA256 of the body; None for none.
        ca_file: Authorities (PEM) to trust; None for those of the system.
        batch_records: Most records of a batch.
        batch_bytes: Most bytes of the records of a batch; a larger record goes alone. Many servers take no more than
            100 kB unless they are told to.
        batch_s: How long the first record of a batch waits for others.
        timeout_s: How long to wait for a connection, and for each part of the answer.
        retry: When to try again.
    """

    url: str
    token: Secret | None = None
    hmac_key: Secret | None = None
    ca_file: Path | None = None
    batch_records: int = 100
    batch_bytes: int = 90 << 10
    batch_s: float = 1.0
    timeout_s: float = 10.0
    retry: ReconnectPolicy = field(default_factory=lambda: ReconnectPolicy(max_delay_s=60.0))

    def __post_init__(self) -> None:
        if self.batch_records < 1 or self.batch_bytes < 1 or self.batch_s < 0 or not self.timeout_s > 0:
            raise UsageError(
                "impossible batches",
                expected="1 or more records and bytes, 0 s or more to wait for a batch, a time-out above 0 s",
                found=f"{self.batch_records}, {self.batch_bytes}, {self.batch_s}, {self.timeout_s}",
            )

    @property
    def name(self) -> str:
        """How to speak of it; without parameters that may be secret."""
        return f"webhook+{redact_address(self.url)}"

    def __repr__(self) -> str:
        return f"WebhookConfig({self.name})"


class WebhookTransport:
    """Posts batches in their order, one at a time, over a connection that is kept.

    The body is ``{"schema_version": 1, "records": [...]}``. Every batch has a key, in the header ``Idempotency-Key``,
    that stays the same when it is sent again: a server that was heard too late gets a batch twice. A batch is sent
    again, with growing pauses, while the server cannot be reached or answers 429 or 5xx; ``Retry-After`` is heeded, up
    to 5 minutes. Any other answer than 2xx, a redirection too, refuses it for good.

    Args:
        config: The server.

    Raises:
        UsageError: The address or the certificates cannot be used.
    """

    def __init__(self, config: WebhookConfig) -> None:
        self._config = config
        self._client = HttpClient(config.url, config.timeout_s, client_context(config.ca_file))
        self._rng = np.random.default_rng()

    @property
    def name(self) -> str:
        """The server; holds no credentials."""
        return self._config.name

    def run(self, outbox: Outbox, outage: Outage) -> None:
        """Post until the outbox is closing and empty, or its time is over."""
        with self._client:
            while not outbox.is_over:
                outbox.wait()
                if not len(outbox) and outbox.is_closing:
                    return
                outbox.wait(self._config.batch_s, messages=self._config.batch_records)
                self._deliver(self._take_batch(outbox), outbox, outage)

    def _take_batch(self, outbox: Outbox) -> list[Message]:
        batch: list[Message] = []
        left = self._config.batch_bytes
        while len(batch) < self._config.batch_records:
            message = outbox.take(left if batch else None)
            if message is None:
                break
            batch.append(message)
            left -= len(message.payload)
        return batch

    def _deliver(self, batch: list[Message], outbox: Outbox, outage: Outage) -> None:
        body = b'{"schema_version":%d,"records":[%s]}' % (SCHEMA_VERSION, b",".join(one.payload for one in batch))
        headers = self._headers(body)
        failures = 0
        while True:
            answer = self._client.post(body, headers)
            if answer.is_success:
                outbox.note_delivered(len(batch))
                outage.end()
                return
            outage.begin(answer.problem)
            if not answer.is_temporary:
                outbox.note_refused(len(batch))
                return
            failures += 1
            if outbox.is_over:
                outbox.note_dropped(len(batch))
                return
            outbox.pause(self._pause_s(answer, failures))

    def _pause_s(self, answer: HttpAnswer, failures: int) -> float:
        wanted_s = min(answer.retry_after_s or 0.0, _LONGEST_RETRY_AFTER_S)
        return max(wanted_s, self._config.retry.delay_s(failures, self._rng))

    def _headers(self, body: bytes) -> dict[str, str]:
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "fsrfer",
            "Idempotency-Key": str(uuid.uuid4()),
        }
        if self._config.token is not None:
            headers["Authorization"] = f"Bearer {self._config.token.value}"
        if self._config.hmac_key is not None:
            signature = hmac.new(self._config.hmac_key.value.encode(), body, hashlib.sha256).hexdigest()
            headers["X-Hub-Signature-256"] = f"sha256={signature}"
        return headers
