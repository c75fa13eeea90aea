"""Which optimiser moves which weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import nn
from torch.optim import AdamW, Optimizer

from .muon import Muon
from .schedule import set_learning_rates
from .stages import OptimizerKind

_ADAMW_SHARE = 0.25
"""Learning rate of what Muon does not move, as a share of Muon's."""


@dataclass(frozen=True)
class TrainedPart:
    """A module and its learning rate.

    Attributes:
        module: Its weights that require a gradient are trained.
        learning_rate: Peak of the schedule.
    """

    module: nn.Module
    learning_rate: float


@dataclass(frozen=True)
class Optimizers:
    """One or two optimisers that step together.

    Attributes:
        by_name: For checkpoints.
    """

    by_name: Mapping[str, Optimizer]

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for optimizer in self.by_name.values():
            optimizer.zero_grad(set_to_none=True)

    def step(self) -> None:
        """Take one step."""
        for optimizer in self.by_name.values():
            optimizer.step()

    def set_learning_rates(self, factor: float) -> None:
        """Set each group's learning rate to ``factor`` times its peak."""
        for optimizer in self.by_name.values():
            set_learning_rates(optimizer, factor)


def build_optimizers(
    parts: Sequence[TrainedPart],
    kind: OptimizerKind,
    *,
    weight_decay: float,
    beta1: float = 0.9,
) -> Optimizers:
    """Build what trains some modules.

    With Muon, convolutions that see more than one channel are its; the first convolution, fully connected layers,
    biases and normalisation are AdamW's, at a quarter of the learning rate. Biases and the scales of normalisation are
    never decayed.

    Args:
        parts: Modules and their learning rates.
        kind: Which optimiser.
        weight_decay: Decoupled weight decay.
        beta1: AdamW's first decay.
    """
    matrices: list[dict[str, object]] = []
    others: list[dict[str, object]] = []
    share = _ADAMW_SHARE if kind is OptimizerKind.MUON else 1.0
    for part in parts:
        trained = [parameter for parameter in part.module.parameters() if parameter.requires_grad]
        muon = [p for p in trained if kind is OptimizerKind.MUON and p.ndim == 4 and p.shape[1] > 1]
        taken = {id(parameter) for parameter in muon}
        rest = [parameter for parameter in trained if id(parameter) not in taken]
        matrices += _group(muon, part.learning_rate, weight_decay)
        others += _group([p for p in rest if p.ndim > 1], share * part.learning_rate, weight_decay)
        others += _group([p for p in rest if p.ndim <= 1], share * part.learning_rate, 0.0)
    by_name: dict[str, Optimizer] = {"network": AdamW(others, betas=(beta1, 0.999))}
    if matrices:
        by_name["convolutions"] = Muon(matrices)
    return Optimizers(by_name)


def _group(parameters: list[nn.Parameter], learning_rate: float, weight_decay: float) -> list[dict[str, object]]:
    if not parameters:
        return []
    group = {"params": parameters, "weight_decay": weight_decay, "lr": learning_rate, "peak": learning_rate}
    return [group]
