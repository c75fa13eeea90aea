"""Whether a bound on a percentile of latency holds, judged on no more queries than that takes.

A query is late or it is not, so the number of late ones among N is binomial where the true share of late queries is
what the bound allows. The bound holds where so few late queries would be a surprise then, and is broken where so many
would be. This is the test of MLPerf's LoadGen (``loadgen/early_stopping.cc``) without its tolerance; it takes queries
to be independent, which those of one busy period are not quite.
"""

from __future__ import annotations

import math
from enum import Enum

from ...core.errors import UsageError

CONFIDENCE = 0.99


class Verdict(str, Enum):
    """Whether a bound holds."""

    HOLDS = "holds"
    BROKEN = "broken"
    OPEN = "open"
    """Too few queries to tell."""


def fewest_queries(share: float, confidence: float = CONFIDENCE) -> int:
    """Return how many queries, none of them late, show that the bound holds: 459 for the 99th percentile.

    Args:
        share: Share of the queries that must be in time, 0 to 1: 0.99 for the 99th percentile.
        confidence: How sure that is to be.

    Raises:
        UsageError: A number is out of range.
    """
    if not (0 < share < 1 and 0 < confidence < 1):
        raise UsageError(
            "impossible percentile or confidence", expected="between 0 and 1", found=f"{share}, {confidence}"
        )
    return math.ceil(math.log(1 - confidence) / math.log(share))


def judge(queries: int, late: int, share: float, confidence: float = CONFIDENCE) -> Verdict:
    """Tell whether so few late queries show that the bound holds, or so many that it does not.

    Args:
        queries: All queries.
        late: Those that took longer than the bound.
        share: Share of the queries that must be in time.
        confidence: How sure the verdict is to be, either way.
    """
    if at_most(late, queries, 1 - share) <= 1 - confidence:
        return Verdict.HOLDS
    if late and 1 - at_most(late - 1, queries, 1 - share) <= 1 - confidence:
        return Verdict.BROKEN
    return Verdict.OPEN


def at_most(count: int, trials: int, chance: float) -> float:
    """Return the probability of ``count`` or fewer successes in ``trials``, each of probability ``chance``."""
    if count >= trials:
        return 1.0
    log_odds = math.log(chance) - math.log1p(-chance)
    log_term = trials * math.log1p(-chance)
    total = math.exp(log_term)
    for successes in range(1, count + 1):
        log_term += math.log(trials - successes + 1) - math.log(successes) + log_odds
        total += math.exp(log_term)
    return min(total, 1.0)
