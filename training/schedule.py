"""Learning rates as functions of the step, so that a resumed run needs no state for them."""

from __future__ import annotations

import math

from torch.optim import Optimizer


def warmup_cosine(step: int, total: int, warmup_fraction: float = 0.0) -> float:
    """Return the factor of the peak learning rate: a linear rise, then half a cosine down to 0.

    Loshchilov and Hutter, "SGDR", 2017, equation 5 without restarts.

    Args:
        step: Steps taken so far, from 0.
        total: Steps of the whole schedule.
        warmup_fraction: Part of them that the rise takes.
    """
    warmup = int(total * warmup_fraction)
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1.0 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))


def set_learning_rates(optimizer: Optimizer, factor: float) -> None:
    """Set each group's learning rate to ``factor`` times its peak, kept in the group under ``peak``."""
    for group in optimizer.param_groups:
        group["lr"] = factor * group["peak"]
