"""The losses of both stages. Every function is pure and averages over faces only at the end."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - PyTorch's own convention
from torch import Tensor

from .models.discriminator import Discriminator


def soft_cross_entropy(logits: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
    """Return the cross-entropy with a target distribution, one value a face.

    Args:
        logits: float32 (N, K).
        targets: float32 (N, K), rows sum to 1.
        smoothing: Share of the target that is spread evenly over the classes (Szegedy et al., 2016), 0 to 1.

    Returns:
        float32 (N,).
    """
    spread = targets * (1.0 - smoothing) + smoothing / targets.shape[1]
    return -(spread * F.log_softmax(logits, dim=1)).sum(dim=1)


def distillation(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Return the divergence of the student from the teacher, one value a face.

    T^2 KL(softmax(teacher / T) || softmax(student / T)) (Hinton et al., "Distilling the knowledge in a neural
    network", 2015).

    Args:
        student: Logits, float32 (N, K).
        teacher: Logits, float32 (N, K); no gradient goes into them.
        temperature: T, above 0.

    Returns:
        float32 (N,).
    """
    target = F.log_softmax(teacher.detach() / temperature, dim=1)
    output = F.log_softmax(student / temperature, dim=1)
    return temperature**2 * F.kl_div(output, target, reduction="none", log_target=True).sum(dim=1)


def squared_difference(generated: Tensor, target: Tensor) -> Tensor:
    """Return the mean squared difference over all elements of a face's feature, one value a face.

    Args:
        generated: float32 (N, ...).
        target: The same shape; no gradient goes into it.

    Returns:
        float32 (N,).
    """
    return (generated - target.detach()).square().flatten(1).mean(dim=1)


def classification_aware_weight(logits: Tensor, labels: Tensor) -> Tensor:
    """Return w = (1.5 - p)^2, p the probability of the true class (FSR-FER: Jing et al., arXiv 2004.02234).

    The weight keeps its gradient: lowering it means raising p, so it acts as a classification loss besides.

    Args:
        logits: float32 (N, K), of the generated features.
        labels: int64 (N,).

    Returns:
        float32 (N,), from 0.25 to 2.25.
    """
    probability = logits.softmax(dim=1).gather(1, labels[:, None])[:, 0]
    return (1.5 - probability).square()


def wgan_div_discriminator_loss(
    discriminator: Discriminator, real: Tensor, generated: Tensor, mix: Tensor, *, k: float, p: float
) -> Tensor:
    """Return the discriminator's loss of WGAN-div (Wu et al., "Wasserstein divergence for GANs", 2018, equation 8).

    mean D(real) - mean D(generated) + k mean |grad D(u)|^p at points u between real and generated features; the
    gradient's norm runs over all axes of a feature. The discriminator learns to score generated features higher, and
    the generator to lower that score.

    Args:
        discriminator: D.
        real: Features of full-size faces, float32 (N, C, h, w).
        generated: Features of the generator, float32 (N, C, h, w).
        mix: Position of each u, float32 (N,), 0 at the generated and 1 at the real feature.
        k: Weight of the gradient term.
        p: Its power.

    Returns:
        A scalar.
    """
    real, generated = real.detach(), generated.detach()
    share = mix[:, None, None, None]
    between = (share * real + (1.0 - share) * generated).requires_grad_(True)
    (gradient,) = torch.autograd.grad(discriminator(between).sum(), between, create_graph=True)
    penalty = gradient.flatten(1).square().sum(dim=1).pow(p / 2).mean()
    loss: Tensor = discriminator(real).mean() - discriminator(generated).mean() + k * penalty
    return loss
