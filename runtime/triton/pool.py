"""Several servers with one model: whom to ask next, who is away, and who is back."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from ...core.errors import BackendUnavailableError
from ..remote import InferenceLostError, LossReason
from ..sources.reconnect import ReconnectPolicy
from .client import ServerModel, TritonClient

_LOGGER = logging.getLogger(__name__)

PROBE_S = 3.0
"""Longest time that a server may take to say what it serves."""

_WATCH_S = 2.0  # how often a server that answers is asked whether it still serves the same
_RENEW_AFTER = 3  # probes without an answer, after which the connection is made anew
_BACK_TO_LIFE = ReconnectPolicy(first_delay_s=0.1, max_delay_s=1.0)
_SAY_EVERY_S = 30.0
_SAY_AWAY = "faces are not read by %s until it is back: %s"
_AWAY = (LossReason.UNAVAILABLE, LossReason.DEADLINE, LossReason.OTHER_MODEL)
_FINAL = (LossReason.OTHER_MODEL, LossReason.REFUSED)  # at the start: waiting would not mend it

Verify = Callable[[TritonClient, ServerModel | None], ServerModel]


@dataclass(eq=False)
class Endpoint:
    """A server, and what is known about it.

    Attributes:
        client: Asks it.
        model: What it said about the model; None before it was found to be the right one.
        problem: Why it is not asked; None where it is.
        failures: Failed probes in a row.
        probe_at_s: When it is looked at again, by the monotonic clock.
        away_since_s: When it went away.
        wake: Tells its watcher that ``probe_at_s`` has changed.
        said_at_s: When the log last told that it is away.
        was_said: The log told so, and not yet that it is back.
    """

    client: TritonClient
    model: ServerModel | None = None
    problem: InferenceLostError | None = None
    failures: int = 0
    probe_at_s: float = 0.0
    away_since_s: float = 0.0
    wake: threading.Event = field(default_factory=threading.Event)
    said_at_s: float = -math.inf
    was_said: bool = False


class EndpointPool:
    """Gives requests to servers in turn, leaves out those that are away, and looks for them in a thread of its own.

    Args:
        clients: The servers.
        verify: Says what a server serves, given what it was found to serve before; None where it is new or was away.
            Raises InferenceLostError where it is away, and another BackendUnavailableError where it serves something
            else.
    """

    def __init__(self, clients: Sequence[TritonClient], verify: Verify) -> None:
        self._endpoints = [Endpoint(client) for client in clients]
        self._verify = verify
        self._lock = threading.Lock()
        self._turn = 0
        self._closing = threading.Event()
        self._rng = np.random.default_rng()
        self._threads: list[threading.Thread] = []

    @property
    def max_batch(self) -> int | None:
        """Most faces in one request to any of the servers that were found; None before one was."""
        return min((one.model.max_batch for one in self._endpoints if one.model is not None), default=None)

    def connect(self, budget_s: float, *, is_needed: bool = True) -> None:
        """Look for the servers; one of them is enough to begin with, and the others are left out until they are right.

        Args:
            budget_s: How long to try.
            is_needed: Raise where none is there in time; else begin without.

        Raises:
            BackendUnavailableError: All serve another model or refuse us, or none is there in time.
        """
        give_up_s = time.monotonic() + budget_s
        while True:
            for endpoint in self._endpoints:
                if endpoint.model is None:
                    self._look(endpoint)
            problems = [endpoint.problem for endpoint in self._endpoints if endpoint.problem is not None]
            final = [problem for problem in problems if problem.reason in _FINAL]
            if len(problems) < len(self._endpoints):
                break
            if len(final) == len(self._endpoints):
                raise final[0]
            if time.monotonic() >= give_up_s:
                if is_needed:
                    raise (final or problems)[0]
                break
            self._closing.wait(_BACK_TO_LIFE.first_delay_s)
        for endpoint in self._endpoints:
            if endpoint.problem is not None:
                endpoint.said_at_s, endpoint.was_said = time.monotonic(), True
                _LOGGER.warning(_SAY_AWAY, endpoint.client.name, endpoint.problem)

    def choose(self, tried: Sequence[Endpoint] = ()) -> Endpoint | None:
        """Return the server whose turn it is.

        Args:
            tried: Those that are only taken where there is no other.

        Returns:
            None where all are away.
        """
        with self._lock:
            present = [endpoint for endpoint in self._endpoints if endpoint.problem is None]
            fresh = [endpoint for endpoint in present if endpoint not in tried] or present
            self._turn += 1
            return fresh[self._turn % len(fresh)] if fresh else None

    def has_other(self, tried: Sequence[Endpoint]) -> bool:
        """Tell whether a server is there that was not tried."""
        with self._lock:
            return any(one.problem is None and one not in tried for one in self._endpoints)

    @property
    def problem(self) -> InferenceLostError:
        """Why the server is away that was there last."""
        latest = self._latest()
        return latest.problem or InferenceLostError(LossReason.UNAVAILABLE, "no server is there")

    @property
    def away_s(self) -> float:
        """For how long no server has been there, where none is."""
        return time.monotonic() - self._latest().away_since_s

    def _latest(self) -> Endpoint:
        with self._lock:
            return max(self._endpoints, key=lambda endpoint: endpoint.away_since_s)

    def note(self, endpoint: Endpoint, problem: InferenceLostError) -> None:
        """Take in that a request failed; a server that may be away is not asked before it was looked at."""
        is_known = endpoint.problem is not None  # of several requests under way, the first one tells
        if problem.reason in _AWAY and not is_known and not self._closing.is_set():
            self._set_away(endpoint, problem)
            endpoint.wake.set()

    def watch(self) -> None:
        """Begin to look after the servers, each in a thread of its own: one that hangs holds up nobody."""
        for endpoint in self._endpoints:
            name = f"fsrfer-triton {endpoint.client.name}"
            self._threads.append(threading.Thread(target=self._watch, args=(endpoint,), name=name, daemon=True))
            self._threads[-1].start()

    def close(self) -> None:
        """End looking after them, and let the connections go."""
        self._closing.set()
        for endpoint in self._endpoints:
            endpoint.wake.set()
            endpoint.client.close()  # calls under way end with it
        for thread in self._threads:
            thread.join()

    def _watch(self, endpoint: Endpoint) -> None:
        while not self._closing.is_set():
            # It is woken where a request finds the server away: the next look is due sooner then.
            if endpoint.wake.wait(max(endpoint.probe_at_s - time.monotonic(), 0.0)):
                endpoint.wake.clear()
            elif not self._closing.is_set():
                self._look(endpoint)

    def _look(self, endpoint: Endpoint) -> None:
        known = endpoint.model if endpoint.problem is None else None
        try:
            model = self._verify(endpoint.client, known)
        except InferenceLostError as problem:
            if self._closing.is_set():
                return
            self._set_away(endpoint, problem)
            if problem.reason is LossReason.DEADLINE and endpoint.failures % _RENEW_AFTER == 0:
                endpoint.client.renew()
        except BackendUnavailableError as problem:
            self._set_away(endpoint, _other_model(problem))
        else:
            self._set_present(endpoint, model)

    def _set_away(self, endpoint: Endpoint, problem: InferenceLostError) -> None:
        now_s = time.monotonic()
        with self._lock:
            is_other = problem.reason is LossReason.OTHER_MODEL
            is_news = endpoint.problem is None or (is_other and endpoint.problem.reason is not problem.reason)
            if endpoint.problem is None:
                endpoint.away_since_s, endpoint.failures = now_s, 0
            if is_other and is_news:
                endpoint.said_at_s = -math.inf  # somebody has to do something about it
            endpoint.problem = problem
            endpoint.failures += 1
            endpoint.probe_at_s = now_s + _BACK_TO_LIFE.delay_s(endpoint.failures, self._rng)
            # One that is away for a moment again and again, for want of time, must not fill the log.
            says = is_news and bool(self._threads) and now_s - endpoint.said_at_s >= _SAY_EVERY_S
            if says:
                endpoint.said_at_s, endpoint.was_said = now_s, True
        if says:
            _LOGGER.warning(_SAY_AWAY, endpoint.client.name, problem)

    def _set_present(self, endpoint: Endpoint, model: ServerModel) -> None:
        with self._lock:
            was_said, endpoint.was_said = endpoint.was_said, False
            away_s = time.monotonic() - endpoint.away_since_s
            endpoint.model, endpoint.problem, endpoint.failures = model, None, 0
            endpoint.probe_at_s = time.monotonic() + _WATCH_S
        if was_said:
            _LOGGER.warning("%s reads faces again after %.1f s", endpoint.client.name, away_s)


def _other_model(problem: BackendUnavailableError) -> InferenceLostError:
    lost = InferenceLostError(LossReason.OTHER_MODEL, problem.message, found=problem.found, fix=problem.fix)
    lost.expected = problem.expected
    return lost
