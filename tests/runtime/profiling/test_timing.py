"""The timed loop, on a clock that tells what it is told."""

from __future__ import annotations

import gc
import threading

import pytest

from fsrfer.runtime.profiling.timing import timed_runs, timed_streams, warm_up


class Work:
    """Takes the given milliseconds, one after the other and then again, on its own clock."""

    def __init__(self, *durations_ms: float) -> None:
        self._durations_ms = durations_ms
        self.now_ns = 0
        self.runs = 0
        self.collected = []

    def __call__(self) -> None:
        self.now_ns += int(self._durations_ms[self.runs % len(self._durations_ms)] * 1e6)
        self.runs += 1
        self.collected.append(gc.isenabled())

    def clock(self) -> int:
        return self.now_ns


def test_each_run_is_timed():
    work = Work(1.0, 2.0, 3.0)
    assert timed_runs(work, seconds=0.006, clock=work.clock).tolist() == [1.0, 2.0, 3.0]


def test_the_run_that_passes_the_end_is_kept():
    work = Work(4.0)
    assert timed_runs(work, seconds=0.010, clock=work.clock).tolist() == [4.0, 4.0, 4.0]


def test_slow_work_is_run_a_few_times_all_the_same():
    work = Work(5000.0)
    assert len(timed_runs(work, seconds=0.1, min_runs=3, clock=work.clock)) == 3


def test_short_work_is_run_no_more_often_than_wanted():
    work = Work(1.0)
    assert len(timed_runs(work, seconds=10.0, max_runs=4, clock=work.clock)) == 4


@pytest.mark.parametrize(("seconds", "runs"), [(0.0, 1), (0.02, 2)])
def test_warming_up_runs_at_least_once(seconds, runs):
    work = Work(10.0)
    assert warm_up(work, seconds=seconds, clock=work.clock) == runs == work.runs


def test_the_garbage_collector_rests_and_returns():
    work = Work(1.0)
    timed_runs(work, seconds=0.001, clock=work.clock)
    assert work.collected == [False]
    assert gc.isenabled()


def test_the_garbage_collector_returns_after_an_error():
    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        timed_runs(fail, seconds=1.0)
    assert gc.isenabled()


def test_a_garbage_collector_that_was_off_stays_off():
    work = Work(1.0)
    gc.disable()
    try:
        timed_runs(work, seconds=0.001, clock=work.clock)
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_starts_are_kept_beside_latencies():
    work = Work(1.0, 2.0)
    (series,) = timed_streams([work], seconds=0.003, clock=work.clock)
    assert series.start_ms.tolist() == [0.0, 1.0]
    assert series.latency_ms.tolist() == [1.0, 2.0]


def test_streams_run_at_the_same_time():
    both = threading.Barrier(2, timeout=10)  # broken, and so an error, where one of them waits for the other's end
    series = timed_streams([both.wait, both.wait], seconds=0.0, min_runs=3)
    assert [len(one.latency_ms) for one in series] == [3, 3]


def test_an_error_in_a_stream_is_an_error():
    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        timed_streams([lambda: None, fail], seconds=0.0)
    assert gc.isenabled()
