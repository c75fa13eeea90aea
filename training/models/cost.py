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
    """Count by running one face through a network."""
    config = network.config
    return count_cost_of(network, config.input_channels, config.input_size, config.input_size)


def count_cost_of(network: nn.Module, channels: int, side: int, face_size_px: float) -> Cost:
    """Count by running one face through anything that classifies faces.

    Args:
        network: From faces, uint8 (N, C, H, W), and native sizes, float32 (N,), to logits.
        channels: C.
        side: H and W.
        face_size_px: Native size of the face.
    """
    macs = 0

    def count(module: nn.Module, inputs: Any, output: Tensor) -> None:  # noqa: ARG001 - a hook's signature
        nonlocal macs
        # All rows of the output: a network may make several views of the one face.
        if isinstance(module, nn.Conv2d):
            macs += module.weight[0].numel() * output.numel()
        elif isinstance(module, nn.Linear):
            macs += module.in_features * output.numel()

    hooks = [module.register_forward_hook(count) for module in network.modules()]
    training = network.training
    try:
        network.eval()
        with torch.inference_mode():
            faces = torch.zeros((1, channels, side, side), dtype=torch.uint8)
            network(faces, torch.full((1,), float(face_size_px)))
    finally:
        network.train(training)
        for hook in hooks:
            hook.remove()
    return Cost(sum(parameter.numel() for parameter in network.parameters()), macs)
