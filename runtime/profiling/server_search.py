"""The highest rate of queries at which a bound on the 99th percentile of latency holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ...core.errors import UsageError
from .latency_bound import Verdict
from .statistics import LatencySummary


@dataclass(frozen=True)
class ServerTrial:
    """One rate that was tried.

    Attributes:
        per_second: Queries a second that arrived.
        queries: How many there were.
        late: Those that took longer than the bound.
        verdict: Whether the bound holds at this rate.
        latency: From arrival to answer; a lower limit for queries that were still waiting when the trial ended.
        mean_batch: Mean number of faces in a run of the model.
    """

    per_second: float
    queries: int
    late: int
    verdict: Verdict
    latency: LatencySummary
    mean_batch: float


@dataclass(frozen=True)
class SearchConfig:
    """How the rate is searched.

    Attributes:
        resolution: The answer holds the bound, and a rate higher by this fraction did not.
        confirmations: Further trials, with other arrivals, in all of which the bound must hold at the answer.
        lowest_per_second: Below this the search ends without an answer.
        most_trials: Trials after which the search ends, whatever it knows.
    """

    resolution: float = 0.05
    confirmations: int = 2
    lowest_per_second: float = 0.5
    most_trials: int = 40

    def __post_init__(self) -> None:
        if not (self.resolution > 0 and self.confirmations >= 0 and self.lowest_per_second > 0):
            raise UsageError(
                "impossible search",
                expected="a resolution and a lowest rate above 0, confirmations of 0 or more",
                found=f"{self.resolution}, {self.lowest_per_second}, {self.confirmations}",
            )


@dataclass(frozen=True)
class RateSearch:
    """What was found.

    Attributes:
        per_second: The highest rate that held the bound, in every trial; None where even the lowest one did not, or
            the trials did not suffice to confirm one.
        broken_per_second: The lowest rate above it that did not; None where none was tried.
        trials: All trials in their order.
    """

    per_second: float | None
    broken_per_second: float | None
    trials: tuple[ServerTrial, ...]


def find_rate(run: Callable[[float], ServerTrial], first: float, config: SearchConfig | None = None) -> RateSearch:
    """Search the highest rate at which the bound holds.

    From the first guess the rate doubles while the bound holds, or halves until it does. The gap between the two is
    then halved, by ratio, until it is as small as the resolution. The rate that is left has to hold again with other
    arrivals; where it does not, it counts as too high, and the search goes on below it. A trial that could not be
    decided counts as one that broke the bound.

    Args:
        run: Tries a rate, with other arrivals at every call.
        first: First guess, queries a second.
        config: How to search.
    """
    search = _Search(run, config or SearchConfig())
    search.bracket(first)
    while search.low is not None and not search.is_over:
        search.narrow()
        if search.confirm():
            break
        search.step_down()
    return search.outcome()


class _Search:
    def __init__(self, run: Callable[[float], ServerTrial], config: SearchConfig) -> None:
        self._run = run
        self._config = config
        self._trials: list[ServerTrial] = []
        self._is_confirmed = False
        self.low: float | None = None
        self._high: float | None = None

    @property
    def is_over(self) -> bool:
        return len(self._trials) >= self._config.most_trials

    def bracket(self, first: float) -> None:
        rate = max(first, self._config.lowest_per_second)
        if self._holds(rate):
            while not self.is_over and self._holds(2 * rate):
                rate *= 2
        else:
            self._descend(rate / 2)

    def narrow(self) -> None:
        while self.low is not None and self._high is not None and not self.is_over:
            if self._high <= self.low * (1 + self._config.resolution):
                return
            self._holds((self.low * self._high) ** 0.5)

    def confirm(self) -> bool:
        rate = self.low
        if rate is None:
            return False
        for _ in range(self._config.confirmations):
            if self.is_over or not self._holds(rate):
                return False
        self._is_confirmed = True
        return True

    def step_down(self) -> None:
        """Go on below a rate that did not hold again."""
        if self._high is not None and not self.is_over:
            self._descend(self._high / (1 + self._config.resolution))

    def outcome(self) -> RateSearch:
        return RateSearch(self.low if self._is_confirmed else None, self._high, tuple(self._trials))

    def _descend(self, rate: float) -> None:
        self.low = None
        lowest, step = self._config.lowest_per_second, 1 + self._config.resolution
        while not self.is_over and not self._holds(max(rate, lowest)) and rate > lowest:
            rate, step = rate / step, 2 * step

    def _holds(self, rate: float) -> bool:
        trial = self._run(rate)
        self._trials.append(trial)
        if trial.verdict is Verdict.HOLDS:
            self.low = rate
            return True
        self._high = rate
        if self.low is not None and self.low >= rate:
            self.low = None
        return False
