"""Back-off."""

from __future__ import annotations

import numpy as np
import pytest

from fsrfer.core.errors import UsageError
from fsrfer.runtime.sources import ReconnectPolicy


def test_delays_double_up_to_the_longest():
    policy = ReconnectPolicy(first_delay_s=0.5, max_delay_s=3.0, jitter=0.0)
    rng = np.random.default_rng(0)
    assert [policy.delay_s(failures, rng) for failures in (1, 2, 3, 4, 5000)] == [0.5, 1.0, 2.0, 3.0, 3.0]


def test_jitter_takes_off_its_share_at_most():
    policy = ReconnectPolicy(first_delay_s=1.0, jitter=0.5)
    rng = np.random.default_rng(0)
    delays = [policy.delay_s(1, rng) for _ in range(200)]
    assert 0.5 <= min(delays) < 0.55
    assert 0.95 < max(delays) <= 1.0


def test_a_source_that_worked_once_is_tried_for_ever():
    policy = ReconnectPolicy(initial_attempts=3)
    assert not policy.gives_up(2, had_frames=False)
    assert policy.gives_up(3, had_frames=False)
    assert not policy.gives_up(10_000, had_frames=True)
    assert ReconnectPolicy(later_attempts=2).gives_up(2, had_frames=True)


@pytest.mark.parametrize(
    "options",
    [{"first_delay_s": 0}, {"max_delay_s": 0.1}, {"jitter": 1.5}, {"initial_attempts": 0}, {"later_attempts": 0}],
)
def test_impossible_policies(options):
    with pytest.raises(UsageError, match="impossible reconnect policy"):
        ReconnectPolicy(**options)
