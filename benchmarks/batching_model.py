"""How Triton's dynamic batcher makes batches out of requests, and how long they wait for it: a simulation.

The rules are those of Triton's core (src/dynamic_batch_scheduler.cc, rate_limiter.cc, instance_queue.cc and
scheduler_utils.cc) for a model without preferred sizes, which then prefers its largest batch:

- Requests wait in one queue, in their order, and are never taken apart: a batch is the longest run of whole requests
  from the head of the queue that fits.
- A single thread makes batches. It waits for a batch to grow until its oldest request has waited for the queue delay,
  counted from that request's arrival: what queued up while the model was busy waits no further.
- **Without a queue policy** (no timeout, no limit) it prepares up to two batches an instance ahead. Where no delay is
  set, the last of them goes on growing until it runs. An instance that takes a batch joins the next ones to it whose
  delay is over, if all fit.
- **With a queue policy** it makes a batch only when an instance is idle, so that what waits can still be rejected: a
  request whose timeout is over when its turn comes, and at once one that finds the queue full, which is counted in
  requests. A request that comes while every instance is busy does not wake the thread. Where the queue was empty
  before, nothing else does when an instance gets idle: the request waits for the next arrival, or until the thread
  looks by itself, half a second after it last did. Traces of the real server (24.10) show that; but now and then the
  thread was still awake, and began at once. Here it never is, so that latencies with a policy are upper bounds.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from service_times import ServiceTime

Array = np.ndarray

_TICK_S = 1e-6  # the thread looks again so long after a timeout
_IDLE_LOOK_S = 0.5  # and so long after it found the queue empty
_BATCHES_AHEAD = 2  # an instance, without a queue policy


@dataclass(frozen=True)
class Batcher:
    """A model's configuration on one server.

    Attributes:
        max_batch: Most faces in a run.
        queue_delay_s: Longest time that an idle instance waits for a batch to grow.
        instances: Runs side by side.
        max_queue: Requests that may wait; None for any number.
        timeout_s: Time in the queue after which a request is rejected; None for never.
    """

    max_batch: int = 64
    queue_delay_s: float = 0.0
    instances: int = 1
    max_queue: int | None = None
    timeout_s: float | None = None

    def __post_init__(self) -> None:
        limits = (1.0 if limit is None else limit for limit in (self.max_queue, self.timeout_s))
        if min(limits) <= 0 or self.max_batch < 1 or self.instances < 1 or self.queue_delay_s < 0.0:
            raise ValueError(f"an impossible batcher: {self}")

    @property
    def has_policy(self) -> bool:
        """Whether requests may be rejected, which changes when batches are made."""
        return self.max_queue is not None or self.timeout_s is not None


@dataclass
class Simulated:
    """What became of requests.

    Attributes:
        latency_s: From arrival to answer, with the overhead; nan where rejected. float64 (N,).
        begun_s: Moment at which each request's run began; nan where rejected. float64 (N,).
        batch_faces: Faces in each run, in their order.
        batch_requests: Requests in each run.
        busy_s: Time that instances were busy, gaps included, over all of them.
        queue_full: Requests that found the queue full.
        expired: Requests whose timeout was over.
    """

    latency_s: Array
    begun_s: Array
    batch_faces: list[int] = field(default_factory=list)
    batch_requests: list[int] = field(default_factory=list)
    busy_s: float = 0.0
    queue_full: int = 0
    expired: int = 0

    @property
    def served(self) -> Array:
        """Latencies of the requests that were answered."""
        return self.latency_s[~np.isnan(self.latency_s)]

    def figures(self, seconds: float, instances: int) -> dict[str, float]:
        """Return what one wants to know.

        Args:
            seconds: Time over which requests arrived.
            instances: Of the batcher.
        """
        percentiles = np.percentile(self.served, (50, 95, 99)) if len(self.served) else [np.nan] * 3
        return {
            "mean_batch_faces": float(np.mean(self.batch_faces)) if self.batch_faces else 0.0,
            "mean_batch_requests": float(np.mean(self.batch_requests)) if self.batch_requests else 0.0,
            "faces_per_s": sum(self.batch_faces) / seconds,
            **{f"p{share}_ms": 1e3 * float(value) for share, value in zip((50, 95, 99), percentiles, strict=True)},
            "rejected_share": (self.queue_full + self.expired) / max(len(self.latency_s), 1),
            "utilisation": self.busy_s / (seconds * instances),
        }


def simulate(
    arrivals_s: Array,
    faces: Array,
    batcher: Batcher,
    service: ServiceTime,
    *,
    overhead_s: float | Array = 0.0,
    factors: Array | None = None,
    seed: int = 0,
) -> Simulated:
    """Offer requests to a server.

    Args:
        arrivals_s: Moments at which requests come, not falling: float64 (N,).
        faces: Faces of each, from 1 to the largest batch: int (N,).
        batcher: The server.
        service: How long its runs take.
        overhead_s: What client, network and protocol add to latencies: one for all, or float64 (N,).
        factors: For each request, time over mean time of a run that it is the first of: float64 (N,); None draws them
            from the spread that was measured.
        seed: Of that.

    Raises:
        ValueError: Moments fall, or a request has no face or more than a batch may have.
    """
    if np.any(np.diff(arrivals_s) < 0) or np.any(faces < 1) or np.any(faces > batcher.max_batch):
        raise ValueError("requests have to come in order, with 1 face to as many as fit into a batch")
    if factors is None:
        factors = service.factors(len(arrivals_s), np.random.default_rng(seed))
    result = _Simulation(arrivals_s.tolist(), faces.tolist(), batcher, service, factors.tolist()).run()
    result.latency_s += overhead_s
    return result


@dataclass
class _Payload:
    """A batch that is being made, or waits for an instance."""

    requests: list[int] = field(default_factory=list)
    faces: int = 0
    is_saturated: bool = False
    is_scheduled: bool = False
    is_running: bool = False


class _Simulation:
    """One server. Times are in seconds; ``now`` is that of the event that is being handled."""

    def __init__(
        self,
        arrivals_s: Sequence[float],
        faces: Sequence[int],
        batcher: Batcher,
        service: ServiceTime,
        factors: Sequence[float],
    ) -> None:
        self._arrivals_s, self._faces, self._batcher = arrivals_s, faces, batcher
        self._gap_s = service.gap_s
        self._means_s = service.means(batcher.max_batch).tolist()
        self._factors = factors
        self._queue: deque[int] = deque()
        self._queued_faces = 0
        self._busy_until_s: list[float] = []  # a heap
        self._payload = _Payload()
        self._ahead: deque[_Payload] = deque()
        self._wanted_faces = 0  # with fewer in the queue an arrival does not wake the thread
        self._look_s: float | None = _IDLE_LOOK_S  # when it looks by itself; None while it waits for a free place
        count = len(arrivals_s)
        self._result = Simulated(np.full(count, np.nan), np.full(count, np.nan))

    def run(self) -> Simulated:
        coming, count = 0, len(self._arrivals_s)
        while coming < count or self._queue or self._ahead:
            arrival_s = self._arrivals_s[coming] if coming < count else math.inf
            free_s = self._busy_until_s[0] if self._busy_until_s else math.inf
            look_s = math.inf if self._look_s is None else self._look_s
            if free_s <= min(arrival_s, look_s):
                self._free(heapq.heappop(self._busy_until_s))
            elif arrival_s <= look_s:
                self._arrive(coming, arrival_s)
                coming += 1
            else:
                self._look(look_s)
        return self._result

    def _arrive(self, request: int, now: float) -> None:
        limit = self._batcher.max_queue
        if limit is not None and len(self._queue) >= limit:
            self._result.queue_full += 1
            return
        self._queue.append(request)
        self._queued_faces += self._faces[request]
        is_done = self._payload.is_saturated or self._payload.is_running
        if self._look_s is not None and self._has_place() and (is_done or self._queued_faces >= self._wanted_faces):
            self._look(now)

    def _free(self, now: float) -> None:
        """Let an instance be idle from now on."""
        is_taken = self._hand_over(now)
        if is_taken or (self._look_s is None and self._has_place()):
            self._look(now)

    def _has_place(self) -> bool:
        if self._batcher.has_policy:
            return len(self._busy_until_s) < self._batcher.instances
        return len(self._ahead) < _BATCHES_AHEAD * self._batcher.instances

    def _look(self, now: float) -> None:
        """Do what the thread does until it waits again."""
        while True:
            if self._payload.is_saturated or self._payload.is_running:
                self._payload, self._wanted_faces = _Payload(), 0
            if not self._queue:
                self._look_s = now + _IDLE_LOOK_S
                return
            if not self._has_place():
                self._look_s = None
                return
            wait_s = self._fill(now)
            if wait_s > 0.0:
                self._look_s = now + wait_s
                return
            if self._payload.requests and not self._payload.is_scheduled:
                self._payload.is_scheduled = True
                self._ahead.append(self._payload)
                self._hand_over(now)

    def _fill(self, now: float) -> float:
        """Move requests from the queue into the payload; return how long to wait instead, or 0."""
        self._expire(now)
        if not self._queue:
            return 0.0
        batcher, payload = self._batcher, self._payload
        room = batcher.max_batch - payload.faces
        count, pending = 0, 0
        for request in self._queue:
            if pending + self._faces[request] > room:
                break
            count, pending = count + 1, pending + self._faces[request]
        is_full = count < len(self._queue) or pending == room
        oldest_s = self._arrivals_s[self._queue[0]]
        # Compared as moments: the time that is waited for must be over when it has come.
        is_due = batcher.queue_delay_s == 0.0 or now >= oldest_s + batcher.queue_delay_s
        if not (is_full or is_due):
            self._wanted_faces = room
            if payload.faces == 0:
                return self._until(oldest_s, now)
        payload.is_saturated = payload.is_saturated or is_full
        self._move(count, pending)
        return 0.0

    def _until(self, oldest_s: float, now: float) -> float:
        moment_s = oldest_s + self._batcher.queue_delay_s
        if self._batcher.timeout_s is not None:
            moment_s = min(moment_s, oldest_s + self._batcher.timeout_s + _TICK_S)
        return max(moment_s - now, 1e-9)

    def _expire(self, now: float) -> None:
        timeout_s = self._batcher.timeout_s
        while timeout_s is not None and self._queue and now > self._arrivals_s[self._queue[0]] + timeout_s:
            self._queued_faces -= self._faces[self._queue.popleft()]
            self._result.expired += 1

    def _move(self, count: int, faces: int) -> None:
        self._payload.requests.extend(self._queue.popleft() for _ in range(count))
        self._payload.faces += faces
        self._queued_faces -= faces

    def _hand_over(self, now: float) -> bool:
        """Let idle instances take batches; tell whether one did."""
        is_taken = False
        while self._ahead and len(self._busy_until_s) < self._batcher.instances:
            payload = self._ahead.popleft()
            self._join(payload, now)
            payload.is_running = is_taken = True
            self._start(payload, now)
        return is_taken

    def _join(self, payload: _Payload, now: float) -> None:
        delay_s, most = self._batcher.queue_delay_s, self._batcher.max_batch
        while delay_s > 0.0 and self._ahead:
            other = self._ahead[0]
            if payload.faces + other.faces > most or now <= self._arrivals_s[other.requests[0]] + delay_s:
                break
            payload.requests.extend(other.requests)
            payload.faces += other.faces
            other.is_running = True
            self._ahead.popleft()

    def _start(self, payload: _Payload, now: float) -> None:
        result = self._result
        run_s = self._means_s[payload.faces] * self._factors[payload.requests[0]]
        for request in payload.requests:
            result.begun_s[request] = now
            result.latency_s[request] = now + run_s - self._arrivals_s[request]
        result.batch_faces.append(payload.faces)
        result.batch_requests.append(len(payload.requests))
        result.busy_s += run_s + self._gap_s
        heapq.heappush(self._busy_until_s, now + run_s + self._gap_s)
