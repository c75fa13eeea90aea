"""A moving average of a network's weights: less noisy than the last step's, and what is evaluated and kept."""

from __future__ import annotations

import copy
from typing import Generic, TypeVar

import torch
from torch import nn

M = TypeVar("M", bound=nn.Module)


class WeightAverage(Generic[M]):
    """Exponential moving average of a module (Polyak averaging).

    Args:
        module: What is averaged.
        decay: Share of the old average that stays at each step; 0 follows the module exactly.
    """

    def __init__(self, module: M, decay: float) -> None:
        self.module: M = copy.deepcopy(module).eval().requires_grad_(False)
        self._decay = decay

    @torch.no_grad()
    def update(self, module: nn.Module, step: int) -> None:
        """Take a step of the module into the average.

        Args:
            module: The trained module.
            step: Steps taken so far; the average starts short, so that the random first weights are soon forgotten.
        """
        decay = min(self._decay, (1 + step) / (10 + step))
        for average, value in zip(self.module.parameters(), module.parameters(), strict=True):
            average.lerp_(value, 1.0 - decay)
        for statistic, current in zip(self.module.buffers(), module.buffers(), strict=True):
            if statistic.is_floating_point():
                statistic.lerp_(current, 1.0 - decay)
            else:
                statistic.copy_(current)
