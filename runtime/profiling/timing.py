"""Timing a piece of work again and again, alone or beside itself."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Clock = Callable[[], int]
"""Returns nanoseconds since any fixed moment."""

Work = Callable[[], object]
"""What is timed."""


@dataclass(frozen=True)
class TimedSeries:
    """Runs of one thread, one after the other.

    Attributes:
        start_ms: When each run began, since the clock's fixed moment, float64 (N,).
        latency_ms: How long each run took, float64 (N,).
    """

    start_ms: npt.NDArray[np.float64]
    latency_ms: npt.NDArray[np.float64]


def timed_runs(
    run: Work,
    *,
    seconds: float,
    min_runs: int = 1,
    max_runs: int | None = None,
    clock: Clock = time.perf_counter_ns,
) -> npt.NDArray[np.float64]:
    """Run something until the time is over, and time each run.

    The garbage collector rests meanwhile: when it runs depends on all that the process did before.

    Args:
        run: What to time.
        seconds: How long to go on; the run that passes this is the last one.
        min_runs: Least number of runs, however long they take.
        max_runs: Largest number of runs, however short they are; None for no limit.
        clock: Source of the time.

    Returns:
        Milliseconds of each run, in their order, float64 (N,).
    """
    with _without_garbage_collection():
        return _repeat(run, seconds, min_runs, max_runs, clock).latency_ms


def timed_streams(
    streams: Sequence[Work], *, seconds: float, min_runs: int = 1, clock: Clock = time.perf_counter_ns
) -> list[TimedSeries]:
    """Run several things at the same time, each in a thread of its own, again and again, and time each run.

    Args:
        streams: What to time, one or more; a single one runs in the thread of the caller.
        seconds: How long each goes on; the run that passes this is its last one.
        min_runs: Least number of runs of each, however long they take.
        clock: Source of the time.
    """
    with _without_garbage_collection():
        if len(streams) == 1:
            return [_repeat(streams[0], seconds, min_runs, None, clock)]
        together = threading.Barrier(len(streams))

        def start(run: Work) -> TimedSeries:
            together.wait()
            return _repeat(run, seconds, min_runs, None, clock)

        with ThreadPoolExecutor(len(streams), thread_name_prefix="stream") as threads:
            return list(threads.map(start, streams))


def warm_up(run: Work, *, seconds: float, clock: Clock = time.perf_counter_ns) -> int:
    """Run something untimed, at least once, until caches are filled, memory is allocated and clocks have risen.

    Returns:
        How often it ran.
    """
    return len(timed_runs(run, seconds=seconds, clock=clock))


def _repeat(run: Work, seconds: float, min_runs: int, max_runs: int | None, clock: Clock) -> TimedSeries:
    begun: list[int] = []
    ended: list[int] = []
    started = now = clock()
    while (now - started < seconds * 1e9 and len(ended) != max_runs) or len(ended) < min_runs:
        begun.append(clock())
        run()
        now = clock()
        ended.append(now)
    begun_ns, ended_ns = np.asarray(begun, np.int64), np.asarray(ended, np.int64)
    return TimedSeries(start_ms=begun_ns / 1e6, latency_ms=(ended_ns - begun_ns) / 1e6)


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
