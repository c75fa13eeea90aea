"""Timing a piece of work again and again."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt

Clock = Callable[[], int]
"""Returns nanoseconds since any fixed moment."""


def timed_runs(
    run: Callable[[], object], *, seconds: float, min_runs: int = 1, clock: Clock = time.perf_counter_ns
) -> npt.NDArray[np.float64]:
    """Run something until the time is over, and time each run.

    The garbage collector rests meanwhile: when it runs depends on all that the process did before.

    Args:
        run: What to time.
        seconds: How long to go on; the run that passes this is the last one.
        min_runs: Least number of runs, however long they take.
        clock: Source of the time.

    Returns:
        Milliseconds of each run, in their order, float64 (N,).
    """
    stamps: list[int] = []
    with _without_garbage_collection():
        started = now = clock()
        while now - started < seconds * 1e9 or len(stamps) < min_runs:
            before = clock()
            run()
            now = clock()
            stamps.append(now - before)
    return np.asarray(stamps, np.float64) / 1e6


def warm_up(run: Callable[[], object], *, seconds: float, clock: Clock = time.perf_counter_ns) -> int:
    """Run something untimed, at least once, until caches are filled, memory is allocated and clocks have risen.

    Returns:
        How often it ran.
    """
    return len(timed_runs(run, seconds=seconds, clock=clock))


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
