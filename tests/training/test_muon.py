"""Muon: orthogonal steps, AdamW's scale, and less loss than AdamW in as many steps."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fsrfer.training.muon import Muon, orthogonalized


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 24), st.integers(1, 60), st.integers(0, 1000))
def test_singular_values_become_one(rows, columns, seed):
    generator = torch.Generator().manual_seed(seed)
    matrix = torch.randn(rows, columns, generator=generator)
    result = orthogonalized(matrix)
    assert result.shape == matrix.shape
    found = torch.linalg.svdvals(result)
    # A random matrix may be nearly singular: such directions rise too, but not all the way.
    well_conditioned = torch.linalg.svdvals(matrix) > 0.05 * torch.linalg.matrix_norm(matrix, 2)
    assert found.max() < 1.3
    assert found[well_conditioned].min() > 0.5


def test_singular_vectors_stay():
    matrix = torch.randn(8, 20, generator=torch.Generator().manual_seed(0))
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    inner = u.T @ orthogonalized(matrix) @ v.T
    torch.testing.assert_close(inner, torch.diag(inner.diag()), atol=1e-3, rtol=0)


def test_a_step_has_the_size_of_adamws():
    weight = torch.nn.Parameter(torch.zeros(16, 8, 3, 3))
    optimizer = Muon([weight], lr=0.1)
    weight.grad = torch.randn(weight.shape, generator=torch.Generator().manual_seed(0))
    optimizer.step()
    # RMS of the update: lr x 0.2 x sqrt(max) x sqrt(rank / elements), so lr x 0.2 where the matrix is wide.
    assert weight.detach().square().mean().sqrt().item() == pytest.approx(0.1 * 0.2, rel=0.2)


def test_decay_shrinks_weights_whose_gradient_says_nothing():
    weight = torch.nn.Parameter(torch.ones(4, 4))
    weight.grad = torch.zeros(4, 4)
    Muon([weight], lr=0.5, weight_decay=0.1).step()
    torch.testing.assert_close(weight.detach(), torch.full((4, 4), 0.95))


def test_weights_without_gradient_stay():
    weight = torch.nn.Parameter(torch.ones(4, 4))
    Muon([weight], lr=0.5, weight_decay=0.1).step()
    torch.testing.assert_close(weight.detach(), torch.ones(4, 4))


def test_closures_are_refused():
    with pytest.raises(ValueError, match="no closure"):
        Muon([torch.nn.Parameter(torch.ones(2, 2))]).step(lambda: 0.0)


def test_it_minimises():
    torch.manual_seed(0)
    target = torch.randn(12, 30)
    weight = torch.nn.Parameter(torch.zeros(12, 30))
    optimizer = Muon([weight], lr=0.2)
    first = None
    for step in range(150):
        loss = (weight - target).square().mean()
        first = first or loss.item()
        optimizer.zero_grad()
        loss.backward()
        for group in optimizer.param_groups:
            group["lr"] = 0.2 * (1 - step / 150)
        optimizer.step()
    assert loss.item() < 0.02 * first
