"""Ways of doing the same that take turns, and are compared within each round."""

import gc
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from fsrfer.runtime.profiling.statistics import Stability, median_interval, stability_of

FEWEST_RUNS = 3


def round_medians_ms(
    ways: Mapping[str, Callable[[], object]],
    *,
    rounds: int,
    seconds: float,
    warmup_s: float,
    pause_s: float = 0.0,
    seed: int = 0,
) -> dict[str, list[float]]:
    """Time every way in every round, each time in another order.

    Args:
        ways: What is timed, by name.
        rounds: How many.
        seconds: Time of each way in a round.
        warmup_s: Untimed time of each way before the first.
        pause_s: Time that passes before each run, and does not count.
        seed: Key of the order.

    Returns:
        Median milliseconds of each round, by way.
    """
    rng = np.random.default_rng(seed)
    names = list(ways)
    medians: dict[str, list[float]] = {name: [] for name in names}
    gc.disable()  # when it runs depends on all that the process did before
    try:
        for run in ways.values():
            _median_ms(run, warmup_s, pause_s)
        for _ in range(rounds):
            for position in rng.permutation(len(names)):
                run = ways[names[position]]
                run()  # the caches hold what ran before
                medians[names[position]].append(_median_ms(run, seconds, pause_s))
    finally:
        gc.enable()
    return medians


def _median_ms(run: Callable[[], object], seconds: float, pause_s: float) -> float:
    taken = []
    begun = time.perf_counter()
    while time.perf_counter() - begun < seconds or len(taken) < FEWEST_RUNS:
        if pause_s:
            time.sleep(pause_s)
        started = time.perf_counter()
        run()
        taken.append(1e3 * (time.perf_counter() - started))
    return float(np.median(taken))


def ratio_of(ours_ms: Sequence[float], reference_ms: Sequence[float]) -> dict[str, object]:
    """Compare two ways round by round.

    Args:
        ours_ms: Medians of the rounds.
        reference_ms: Those of the other way, in the same rounds.

    Returns:
        The median ratio, its 95 % interval (None for fewer than six rounds), all of them, and whether both were steady.
    """
    ratios = np.asarray(ours_ms) / np.asarray(reference_ms)
    interval = median_interval(ratios)
    return {
        "median": round(float(np.median(ratios)), 4),
        "interval": None if interval is None else [round(end, 4) for end in interval],
        "by_round": [round(float(ratio), 4) for ratio in ratios],
        "is_steady": all(stability_of(medians) is Stability.STABLE for medians in (ours_ms, reference_ms)),
    }
