"""Every loss against numbers computed by hand or by another implementation."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from fsrfer.training.losses import (
    classification_aware_weight,
    distillation,
    soft_cross_entropy,
    squared_difference,
    wgan_div_discriminator_loss,
)


class LinearCritic(nn.Module):
    """D(f) = sum of w f: its gradient is w everywhere."""

    def __init__(self, weight: torch.Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return (features * self.weight).flatten(1).sum(dim=1)


def test_soft_cross_entropy_equals_the_usual_one_for_hard_labels():
    logits = torch.randn(5, 4)
    labels = torch.tensor([0, 3, 2, 1, 1])
    expected = nn.functional.cross_entropy(logits, labels, reduction="none", label_smoothing=0.1)
    torch.testing.assert_close(soft_cross_entropy(logits, nn.functional.one_hot(labels, 4).float(), 0.1), expected)


def test_soft_cross_entropy_of_a_distribution():
    logits = torch.tensor([[math.log(0.7), math.log(0.2), math.log(0.1)]])
    targets = torch.tensor([[0.5, 0.5, 0.0]])
    expected = -(0.5 * math.log(0.7) + 0.5 * math.log(0.2))
    assert soft_cross_entropy(logits, targets).item() == pytest.approx(expected, rel=1e-6)


def test_distillation_is_zero_for_equal_logits_and_scaled_by_the_squared_temperature():
    teacher = torch.tensor([[2.0, 0.0, -1.0]])
    student = torch.tensor([[0.0, 1.0, 0.0]])
    assert distillation(teacher, teacher, 3.0).item() == pytest.approx(0.0, abs=1e-6)
    p, q = (torch.softmax(logits / 3.0, dim=1).numpy()[0] for logits in (teacher, student))
    assert distillation(student, teacher, 3.0).item() == pytest.approx(9 * float((p * np.log(p / q)).sum()), rel=1e-5)


def test_distillation_teaches_the_student_only():
    student, teacher = torch.randn(2, 3, requires_grad=True), torch.randn(2, 3, requires_grad=True)
    distillation(student, teacher, 2.0).sum().backward()
    assert student.grad is not None
    assert teacher.grad is None


def test_squared_difference_averages_over_a_face_and_sends_no_gradient_to_the_target():
    generated = torch.zeros(2, 3, 2, 2, requires_grad=True)
    target = torch.ones(2, 3, 2, 2) * torch.tensor([1.0, 2.0])[:, None, None, None]
    target.requires_grad_(True)
    loss = squared_difference(generated, target)
    assert loss.tolist() == [1.0, 4.0]
    loss.sum().backward()
    assert generated.grad is not None
    assert target.grad is None


@pytest.mark.parametrize(("probability", "weight"), [(0.5, 1.0), (0.999999, 0.25), (0.000001, 2.25)])
def test_classification_aware_weight(probability, weight):
    logits = torch.tensor([[math.log(probability), math.log(1 - probability)]])
    assert classification_aware_weight(logits, torch.tensor([0])).item() == pytest.approx(weight, abs=1e-4)


def test_the_weight_keeps_its_gradient_and_so_raises_the_true_class():
    logits = torch.zeros(1, 3, requires_grad=True)
    classification_aware_weight(logits, torch.tensor([1])).sum().backward()
    assert logits.grad is not None
    assert logits.grad[0, 1] < 0 < logits.grad[0, 0]


def test_wgan_div_takes_the_norm_over_all_axes_of_each_face():
    weight = torch.full((2, 3, 3), 0.5)
    critic = LinearCritic(weight)
    real, generated = torch.ones(4, 2, 3, 3), torch.zeros(4, 2, 3, 3)
    norm = math.sqrt(18 * 0.25)  # one vector of 18 elements, not a norm an axis
    expected = 9.0 - 0.0 + 2.0 * norm**6
    loss = wgan_div_discriminator_loss(critic, real, generated, torch.rand(4), k=2.0, p=6.0)
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_wgan_div_measures_the_gradient_between_real_and_generated():
    class Squares(nn.Module):
        def forward(self, features: torch.Tensor) -> torch.Tensor:
            return features.square().flatten(1).sum(dim=1)

    real, generated = torch.full((2, 1, 1, 1), 3.0), torch.full((2, 1, 1, 1), 1.0)
    mix = torch.tensor([0.0, 0.5])  # u = 1 and 2, so the gradient 2u is 2 and 4
    loss = wgan_div_discriminator_loss(Squares(), real, generated, mix, k=1.0, p=2.0)
    assert loss.item() == pytest.approx(9.0 - 1.0 + (4.0 + 16.0) / 2)


def test_the_discriminator_loss_trains_the_discriminator_only():
    critic = LinearCritic(torch.ones(1, 2, 2))
    real, generated = torch.randn(3, 1, 2, 2, requires_grad=True), torch.randn(3, 1, 2, 2, requires_grad=True)
    wgan_div_discriminator_loss(critic, real, generated, torch.rand(3), k=2.0, p=6.0).backward()
    assert critic.weight.grad is not None
    assert real.grad is None
    assert generated.grad is None
