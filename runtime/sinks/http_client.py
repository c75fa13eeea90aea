"""Requests to one address over a connection that is kept."""

from __future__ import annotations

import email.utils
import re
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from types import TracebackType

from ...core.errors import UsageError
from ..sources.address import redact_address
from .server_address import parse_address
from .tls import reason_of

_LONGEST_ANSWER = 64 << 10


@dataclass(frozen=True)
class HttpAnswer:
    """What became of a request.

    Attributes:
        status: The server's status code; None where it could not be reached.
        reason: Its name, or why not.
        retry_after_s: When the server wants to be asked again, in seconds from now; None where it does not say.
    """

    status: int | None
    reason: str
    retry_after_s: float | None = None

    @property
    def is_success(self) -> bool:
        """Whether the server took it (2xx)."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def is_temporary(self) -> bool:
        """Whether the same request may succeed later: no answer, 429 (too many requests) or 5xx."""
        return self.status is None or self.status == 429 or 500 <= self.status < 600

    @property
    def problem(self) -> str:
        """What is wrong, in a few words."""
        return self.reason if self.status is None else f"it answers {self.status} {self.reason}".rstrip()


class HttpClient:
    """Posts to one address; use it as a context manager, on one thread.

    Redirections are not followed: they would take results, and tokens, to a place that nobody named.

    Args:
        url: ``http://`` or ``https://`` address.
        timeout_s: How long to wait for a connection, and for each part of the answer.
        context: For ``https``.

    Raises:
        UsageError: The address cannot be used.
    """

    def __init__(self, url: str, timeout_s: float, context: ssl.SSLContext) -> None:
        address = parse_address(url, ("http", "https"))
        has_login = address.username is not None or address.password is not None
        if has_login or not re.fullmatch(r"[!-~]*", address.target):
            raise UsageError(
                f"cannot post to {redact_address(url)}",
                expected="no user and password, and percent signs for what is not ASCII",
            )
        self._target = address.target
        self._timeout_s = timeout_s
        self._connection = (
            HTTPSConnection(address.host, address.port, timeout=timeout_s, context=context)
            if address.scheme == "https"
            else HTTPConnection(address.host, address.port, timeout=timeout_s)
        )

    def post(self, body: bytes, headers: Mapping[str, str]) -> HttpAnswer:
        """Post once; where a kept connection turns out to be closed, once more over a new one.

        Args:
            body: What to send.
            headers: Its headers, without those about its length.
        """
        is_kept = self._connection.sock is not None
        try:
            return self._exchange(body, headers)
        except (OSError, HTTPException) as problem:
            self._connection.close()
            if not is_kept or isinstance(problem, TimeoutError):
                return HttpAnswer(None, reason_of(problem))
        try:
            return self._exchange(body, headers)
        except (OSError, HTTPException) as problem:
            self._connection.close()
            return HttpAnswer(None, reason_of(problem))

    def _exchange(self, body: bytes, headers: Mapping[str, str]) -> HttpAnswer:
        if self._connection.sock is None:
            self._connection.connect()
        with suppress(BrokenPipeError, ConnectionResetError):
            # A server that takes no more may have said why before it closed: its answer tells.
            self._connection.request("POST", self._target, body, dict(headers))
        response = self._connection.getresponse()
        # The server's own words are not repeated: they end in the log.
        answer = HttpAnswer(
            response.status, _phrase_of(response.status), _retry_after_s(response.headers.get("Retry-After"))
        )
        self._drain(response)
        return answer

    def _drain(self, response: HTTPResponse) -> None:
        """Read the rest of an answer, which nobody needs, to keep the connection; or close it where that takes long."""
        left, deadline_s = _LONGEST_ANSWER, time.monotonic() + self._timeout_s
        with suppress(OSError, HTTPException):
            while left > 0 and time.monotonic() < deadline_s:
                part = response.read1(left)
                if not part:
                    response.close()
                    return
                left -= len(part)
        self._connection.close()

    def __enter__(self) -> HttpClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()


def _phrase_of(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _retry_after_s(value: str | None) -> float | None:
    """Return what a ``Retry-After`` asks for (RFC 9110, section 10.2.3): seconds, or a date."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        return max(email.utils.parsedate_to_datetime(value).timestamp() - time.time(), 0.0)
    except (ValueError, TypeError, OverflowError):
        return None
