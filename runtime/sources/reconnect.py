"""When to try again after a connection failed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...core.errors import UsageError


@dataclass(frozen=True)
class ReconnectPolicy:
    """Exponential back-off with jitter.

    Attributes:
        first_delay_s: Wait after the first failure; doubled after each further one.
        max_delay_s: Longest wait.
        jitter: Share of the wait that is random, 0 to 1, so that many clients do not come back at the same moment.
        initial_attempts: Attempts before a source that never gave a frame counts as failed: its address may be wrong.
            None never gives up.
        later_attempts: Attempts in a row before a source that once gave frames counts as failed; None never gives up.
        settle_s: Time that a connection must hold before the back-off begins anew, so that a camera which comes back
            for a moment each time is not asked without pause.
    """

    first_delay_s: float = 0.5
    max_delay_s: float = 30.0
    jitter: float = 0.5
    initial_attempts: int | None = 5
    later_attempts: int | None = None
    settle_s: float = 10.0

    def __post_init__(self) -> None:
        attempts = [limit for limit in (self.initial_attempts, self.later_attempts) if limit is not None]
        has_delays = 0 < self.first_delay_s <= self.max_delay_s and self.settle_s >= 0
        if not has_delays or not 0 <= self.jitter <= 1 or any(limit < 1 for limit in attempts):
            raise UsageError(
                "impossible reconnect policy",
                expected="0 < first delay <= longest delay, jitter from 0 to 1, at least one attempt",
                found=self,
            )

    def gives_up(self, failures: int, *, had_frames: bool) -> bool:
        """Tell whether a source has failed for good.

        Args:
            failures: Failed attempts in a row.
            had_frames: Whether the source ever gave a frame.
        """
        allowed = self.later_attempts if had_frames else self.initial_attempts
        return allowed is not None and failures >= allowed

    def delay_s(self, failures: int, rng: np.random.Generator) -> float:
        """Return how long to wait before the next attempt, in seconds.

        Args:
            failures: Failed attempts in a row, at least 1.
            rng: Source of the jitter.
        """
        doublings = min(failures - 1, 32)  # beyond that only the overflow of the power would grow
        longest = min(self.first_delay_s * 2.0**doublings, self.max_delay_s)
        return float(longest * (1.0 - self.jitter * rng.random()))
