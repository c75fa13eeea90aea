"""Ways that take turns, and what is said about them."""

from __future__ import annotations

import gc

import pytest


@pytest.fixture(scope="module")
def paired(benchmark_module):
    return benchmark_module("paired_rounds")


def test_every_way_has_its_turn_in_every_round(paired):
    calls = []
    ways = {name: (lambda name=name: calls.append(name)) for name in ("one", "other")}
    medians = paired.round_medians_ms(ways, rounds=5, seconds=0.0, warmup_s=0.0)
    assert {name: len(values) for name, values in medians.items()} == {"one": 5, "other": 5}
    # The warm-up, and in each round a run that does not count and those that do.
    assert {name: calls.count(name) for name in ways} == dict.fromkeys(
        ways, paired.FEWEST_RUNS + 5 * (1 + paired.FEWEST_RUNS)
    )
    assert gc.isenabled()


def test_the_garbage_collector_comes_back_after_a_failure(paired):
    with pytest.raises(ZeroDivisionError):
        paired.round_medians_ms({"broken": lambda: 1 / 0}, rounds=1, seconds=0.0, warmup_s=0.0)
    assert gc.isenabled()


def test_noise_of_a_round_cancels(paired):
    noise = (1.0, 1.05, 0.97, 1.02, 0.99, 1.01)
    found = paired.ratio_of([2.2 * n for n in noise], [2.0 * n for n in noise])
    assert found["median"] == 1.1
    assert found["interval"] == [1.1, 1.1]
    assert found["is_steady"]
    assert not paired.ratio_of([1.0, 1.0, 2.0], [1.0, 1.0, 1.0])["is_steady"]
    assert paired.ratio_of([1.0, 1.0, 1.0], [1.0, 1.0, 1.0])["interval"] is None
