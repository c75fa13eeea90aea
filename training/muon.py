"""Muon: steps of a momentum whose singular values are all made one.

K. Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024); the scale that lets it share
learning rate and weight decay with AdamW is from Liu et al., "Muon is scalable for LLM training" (arXiv 2502.16982),
equation 4.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

# Coefficients of the quintic iteration (Jordan et al.): they give up exact convergence for the steepest slope at zero.
_A, _B, _C = 3.4445, -4.7750, 2.0315
_ITERATIONS = 5
_RMS_OF_ADAMW = 0.2


class Muon(Optimizer):
    """Orthogonalised momentum for the weights of convolutions and fully connected layers.

    Args:
        params: Groups of weights of two or more axes; the first one is the outputs, the others are flattened.
        lr: Learning rate, on AdamW's scale.
        momentum: Decay of the gradient's moving average, used as Nesterov's.
        weight_decay: Decoupled weight decay.
    """

    def __init__(self, params: Any, lr: float = 1e-3, momentum: float = 0.95, weight_decay: float = 0.0) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Take one step.

        Args:
            closure: Not supported; there for the interface.
        """
        if closure is not None:
            raise ValueError("Muon takes no closure")
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if not state:
                    state["momentum"] = torch.zeros_like(weight)
                average: Tensor = state["momentum"]
                average.lerp_(weight.grad, 1.0 - group["momentum"])
                ahead = weight.grad.lerp(average, group["momentum"])
                direction = orthogonalized(ahead.reshape(len(weight), -1)).view(weight.shape)
                rows, columns = len(weight), weight[0].numel()
                weight.mul_(1.0 - group["lr"] * group["weight_decay"])
                weight.sub_(direction, alpha=group["lr"] * _RMS_OF_ADAMW * max(rows, columns) ** 0.5)


def orthogonalized(matrix: Tensor) -> Tensor:
    """Return a matrix with the same singular vectors and singular values of about one (0.7 to 1.2).

    Args:
        matrix: float32 (rows, columns), not all zero.

    Returns:
        float32 (rows, columns).
    """
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    value: Tensor = wide / (wide.norm() + 1e-7)
    for _ in range(_ITERATIONS):
        gram = value @ value.T
        value = _A * value + (_B * gram + _C * gram @ gram) @ value
    return value if matrix.shape[0] <= matrix.shape[1] else value.T
