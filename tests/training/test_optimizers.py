"""Which weights go to which optimiser, at which rate, with which decay."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from fsrfer.training.muon import Muon
from fsrfer.training.optimizers import TrainedPart, build_optimizers
from fsrfer.training.stages import OptimizerKind


def network() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 6, 3), nn.Flatten(), nn.Linear(6, 2))


def groups(optimizers) -> list[tuple[str, int, float, float]]:
    """Name, weights, peak rate and decay of every group that has weights."""
    return [
        (name, sum(weight.numel() for weight in group["params"]), group["peak"], group["weight_decay"])
        for name, optimizer in optimizers.by_name.items()
        for group in optimizer.param_groups
    ]


def test_muon_takes_convolutions_of_several_channels():
    optimizers = build_optimizers([TrainedPart(network(), 0.4)], OptimizerKind.MUON, weight_decay=0.01)
    assert isinstance(optimizers.by_name["convolutions"], Muon)
    assert groups(optimizers) == [
        ("network", 36 + 12, 0.1, 0.01),  # first convolution, fully connected layer
        ("network", 4 + 4 + 4 + 6 + 2, 0.1, 0.0),  # biases and normalisation
        ("convolutions", 216, 0.4, 0.01),
    ]


def test_adamw_takes_everything_at_the_full_rate():
    optimizers = build_optimizers([TrainedPart(network(), 0.4)], OptimizerKind.ADAMW, weight_decay=0.01)
    assert groups(optimizers) == [("network", 264, 0.4, 0.01), ("network", 20, 0.4, 0.0)]


def test_parts_keep_their_own_rates_and_frozen_weights_are_left_out():
    frozen = network()
    frozen[2].requires_grad_(False)
    parts = [TrainedPart(frozen, 0.4), TrainedPart(nn.Linear(3, 3, bias=False), 0.8)]
    found = groups(build_optimizers(parts, OptimizerKind.MUON, weight_decay=0.0))
    assert ("network", 9, 0.2, 0.0) in found
    assert all(name == "network" for name, *_ in found)


@pytest.mark.parametrize("kind", list(OptimizerKind))
def test_they_step_together(kind):
    torch.manual_seed(0)
    model = network()
    before = [weight.detach().clone() for weight in model.parameters()]
    optimizers = build_optimizers([TrainedPart(model, 0.01)], kind, weight_decay=0.0)
    optimizers.set_learning_rates(0.5)
    assert {group["lr"] / group["peak"] for o in optimizers.by_name.values() for group in o.param_groups} == {0.5}
    model(torch.randn(8, 1, 5, 5)).square().mean().backward()
    optimizers.step()
    assert all(not torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True) if old.ndim > 1)
    optimizers.zero_grad()
    assert all(weight.grad is None for weight in model.parameters())
