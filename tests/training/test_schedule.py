"""Learning rates as functions of the step."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fsrfer.training.schedule import set_learning_rates, warmup_cosine


def test_it_rises_in_a_line_and_falls_in_half_a_cosine():
    factors = [warmup_cosine(step, 100, 0.1) for step in range(100)]
    assert factors[:10] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
    assert factors[10] == 1.0
    assert factors[55] == pytest.approx(0.5)
    assert factors[99] == pytest.approx(0.0, abs=1e-3)
    assert factors[10:] == sorted(factors[10:], reverse=True)


def test_it_agrees_with_pytorchs_own_cosine():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=40)
    for step in range(40):
        assert warmup_cosine(step, 40) == pytest.approx(scheduler.get_last_lr()[0], abs=1e-9)
        optimizer.step()
        scheduler.step()


@given(st.integers(1, 5000), st.floats(0, 1), st.data())
def test_no_step_of_any_schedule_has_an_impossible_factor(total, fraction, data):
    step = data.draw(st.integers(0, total - 1))
    factor = warmup_cosine(step, total, fraction)
    assert 0 <= factor <= 1
    # The first step teaches something: a schedule that starts at 0 wastes it.
    assert warmup_cosine(0, total, fraction) > 0


def test_every_group_keeps_its_own_peak():
    weights = [torch.nn.Parameter(torch.zeros(1)) for _ in range(2)]
    groups = [{"params": [weight], "lr": peak, "peak": peak} for weight, peak in zip(weights, (0.5, 0.01), strict=True)]
    optimizer = torch.optim.Adam(groups)
    for factor in (0.3, 0.6):
        set_learning_rates(optimizer, factor)
        assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.5 * factor, 0.01 * factor])
