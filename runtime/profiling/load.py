"""Queries that arrive when they want to, and not when the server is ready for them.

All arrivals are drawn before the first one is served, and a latency counts from the arrival. A server that is slow for
a moment is thus charged for every query that waited meanwhile; a client that asks again only after each answer would
not have asked them, and would call the server fast ("coordinated omission").
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ..batching import FaceBatcher, PendingFrame
from ..frame import Clock, Frame

Float64Array = npt.NDArray[np.float64]
Crops = Sequence[npt.NDArray[np.uint8]]

_NO_PICTURE = np.zeros((1, 1, 3), np.uint8)


class TimeSource(Protocol):
    """A clock that can be waited on."""

    def now(self) -> float:
        """Return the present time in seconds."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


class RealTime:
    """The monotonic clock."""

    def now(self) -> float:
        """See :class:`TimeSource`."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """See :class:`TimeSource`."""
        time.sleep(seconds)


def poisson_arrivals(per_second: float, count: int, rng: np.random.Generator) -> Float64Array:
    """Draw when queries arrive that know nothing of each other: a Poisson process.

    Args:
        per_second: Mean number of queries a second.
        count: Number of queries.
        rng: Source of the gaps, which are exponentially distributed.

    Returns:
        Seconds from the start, rising, float64 (count,).
    """
    return np.cumsum(rng.exponential(1.0 / per_second, count))


@dataclass(frozen=True)
class Served:
    """What became of queries.

    Attributes:
        latencies_s: From each query's arrival to its answer, in the order of arrival, float64 (N,). Where serving was
            given up, those still waiting count with the time they had waited by then.
        batch_faces: Faces in each run of the model.
        is_given_up: The server fell so far behind that serving ended early.
    """

    latencies_s: Float64Array
    batch_faces: tuple[int, ...]
    is_given_up: bool


class OpenLoop:
    """Serves queries through the micro-batcher of the pipeline, as its one thread does.

    A query is a frame with ready-made crops. As frames of cameras do, it waits for those of other senders, for
    ``max_wait_s`` of the batcher at most.

    Args:
        batcher: Empty; nobody else uses it meanwhile.
        senders: Cameras that the queries come from, in turn.
        clock: Time.
    """

    def __init__(self, batcher: FaceBatcher, *, senders: int, clock: TimeSource | None = None) -> None:
        self._batcher = batcher
        self._senders = senders
        self._clock = clock or RealTime()

    def serve(self, arrivals_s: Float64Array, queries: Sequence[Crops], give_up_s: float) -> Served:
        """Serve all queries.

        Args:
            arrivals_s: When each arrives, in seconds from now, rising, (N,).
            queries: Crops of each, N of them.
            give_up_s: Latency after which serving ends, since the server cannot keep up.
        """
        begin_s = self._clock.now()
        due_s = arrivals_s + begin_s
        latencies_s = np.full(len(due_s), np.nan)
        batches: list[int] = []
        added = answered = 0
        while answered < len(due_s):
            now_s = self._clock.now()
            if now_s - due_s[answered] > give_up_s:
                break
            patience_s = self._batcher.patience_s(now_s, self._senders)
            if patience_s == 0.0:
                batches.append(self._flush())
                latencies_s[answered:added] = self._clock.now() - due_s[answered:added]
                answered = added
            elif added < len(due_s) and due_s[added] <= now_s:
                self._batcher.add(self._frame_of(added, queries[added]), now_s)
                added += 1
            else:
                next_s = due_s[added] - now_s if added < len(due_s) else np.inf
                self._clock.sleep(float(min(next_s, np.inf if patience_s is None else patience_s)))
        if answered < len(due_s):
            self._flush()  # nothing of these queries is left in the batcher
        waited_s = self._clock.now() - due_s
        has_waited = np.isnan(latencies_s) & (waited_s > 0)
        latencies_s[has_waited] = waited_s[has_waited]
        known = ~np.isnan(latencies_s)
        return Served(latencies_s[known], tuple(batches), is_given_up=answered < len(due_s))

    def _flush(self) -> int:
        return sum(len(predictions) for _, predictions in self._batcher.flush())

    def _frame_of(self, index: int, crops: Crops) -> PendingFrame:
        sender = f"sender {index % self._senders}"
        return PendingFrame(Frame(sender, index // self._senders, 0.0, Clock.WALL, _NO_PICTURE), None, crops)
