"""The moving average of weights, against one computed by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from fsrfer.training.averaging import WeightAverage


def tiny() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Dropout(0.5))


def change(module: nn.Module) -> None:
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter))
    module(torch.randn(16, 2))


def test_it_is_the_average_that_was_computed_by_hand():
    module = nn.Linear(1, 1, bias=False)
    average = WeightAverage(module, decay=0.75)
    expected = module.weight.item()
    for step in range(60):
        torch.nn.init.constant_(module.weight, float(step))
        average.update(module, step)
        decay = min(0.75, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * module.weight.item()
    assert average.module.weight.item() == pytest.approx(expected, rel=1e-5)
    assert (1 + 59) / (10 + 59) > 0.75


def test_random_first_weights_are_soon_forgotten():
    module = nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(module.weight, 1000.0)
    average = WeightAverage(module, decay=0.999)
    torch.nn.init.constant_(module.weight, 1.0)
    for step in range(10):
        average.update(module, step)
    assert average.module.weight.item() == pytest.approx(1.0, abs=0.02)


def test_batch_statistics_are_averaged_and_counters_copied():
    module = tiny().train()
    average = WeightAverage(module, decay=0.9)
    before = average.module[1].running_mean.clone()
    change(module)
    average.update(module, 10_000)
    torch.testing.assert_close(average.module[1].running_mean, 0.9 * before + 0.1 * module[1].running_mean)
    assert int(average.module[1].num_batches_tracked) == 1


def test_without_decay_it_is_the_module_to_the_bit():
    module = tiny().train()
    average = WeightAverage(module, decay=0.0)
    for step in range(5):
        change(module)
        average.update(module, step)
    for name, value in module.state_dict().items():
        assert torch.equal(average.module.state_dict()[name], value), name


def test_what_does_not_change_is_averaged_to_itself():
    """A frozen extractor must stay the same to the bit, whatever the decay."""
    module = tiny()
    average = WeightAverage(module, decay=0.998)
    for step in range(50):
        average.update(module, step)
    for name, value in module.state_dict().items():
        assert torch.equal(average.module.state_dict()[name], value), name


def test_it_is_a_copy_for_evaluation_that_is_never_trained():
    module = tiny().train()
    average = WeightAverage(module, decay=0.5)
    assert module.training
    assert not average.module.training
    assert not any(parameter.requires_grad for parameter in average.module.parameters())
    assert all(parameter.requires_grad for parameter in module.parameters())
    change(module)
    assert not torch.equal(average.module[0].weight, module[0].weight)
