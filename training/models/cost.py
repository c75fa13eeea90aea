"""What a network costs: parameters and multiply-accumulates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from .network import ExpressionNetwork


@dataclass(frozen=True)
class Cost:
    """Cost of one face.

    Attributes:
        parameters: Trained numbers.
        macs: Multiply-accumulates of convolutions and fully connected layers, at the model's full input.
    """

    parameters: int
    macs: int


def count_cost(network: ExpressionNetwork) -> Cost:
    """Count by running one face through the network."""
    macs = 0

    def count(module: nn.Module, inputs: Any, output: Tensor) -> None:  # noqa: ARG001 - a hook's signature
        nonlocal macs
        if isinstance(module, nn.Conv2d):
            macs += module.weight[0].numel() * output[0].numel()
        elif isinstance(module, nn.Linear):
            macs += module.weight.numel()

    hooks = [module.register_forward_hook(count) for module in network.modules()]
    config = network.config
    training = network.training
    try:
        network.eval()
        with torch.inference_mode():
            shape = (1, config.input_channels, config.input_size, config.input_size)
            network(torch.zeros(shape, dtype=torch.uint8), torch.full((1,), float(config.input_size)))
    finally:
        network.train(training)
        for hook in hooks:
            hook.remove()
    return Cost(sum(parameter.numel() for parameter in network.parameters()), macs)
