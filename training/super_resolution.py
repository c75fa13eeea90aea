"""Stage 2: feature super-resolution.

A frozen copy of the stage 1 model, the teacher, sees each face at full size; the network sees it small. The
generator learns to turn the features of the small face into those of the full-size one, so that one classifier serves
all sizes (Jing et al., arXiv 2004.02234).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from .averaging import WeightAverage
from .batches import BatchPlan
from .checkpoint import TrainingState
from .losses import (
    classification_aware_weight,
    distillation,
    soft_cross_entropy,
    squared_difference,
    wgan_div_discriminator_loss,
)
from .models.discriminator import Discriminator
from .models.network import ExpressionNetwork
from .optimizers import Optimizers, TrainedPart, build_optimizers
from .run import TensorBatch, TrainingRun, check_finite, decayed_groups, gradients_of, run_stage
from .schedule import set_learning_rates, warmup_cosine
from .stages import LossWeights, Reweighting, SuperResolutionConfig
from .validation import Validation

STAGE = "super-resolution"
_PRETRAINING = LossWeights(feature=1.0)


@dataclass(frozen=True)
class _Views:
    """One batch as both networks see it: full-size by the teacher, small by the student."""

    features: Tensor
    embedding: Tensor
    logits: Tensor
    full_features: Tensor
    full_embedding: Tensor
    full_logits: Tensor


def train_super_resolution(
    network: ExpressionNetwork,
    teacher: ExpressionNetwork,
    plan: BatchPlan,
    validation: Validation,
    config: SuperResolutionConfig,
    run: TrainingRun,
) -> ExpressionNetwork:
    """Train the generator, and the extractor with it where the recipe says so.

    Args:
        network: Its extractor taken from stage 1, with a generator, unless the extractor is trained; changed in place.
        teacher: The stage 1 model; never changed.
        plan: Pairs of small and full-size faces.
        validation: Judges an epoch.
        config: The stage's settings.
        run: Circumstances.

    Returns:
        The averaged network of the best epoch, in evaluation mode.
    """
    stage = _Stage(network, teacher, plan.steps_per_epoch, config, run)
    epochs = config.pretrain_epochs + config.epochs
    run_stage(STAGE, run, stage.state, plan, epochs, validation, stage.step)
    return stage.best


class _Stage:
    def __init__(
        self,
        network: ExpressionNetwork,
        teacher: ExpressionNetwork,
        steps_per_epoch: int,
        config: SuperResolutionConfig,
        run: TrainingRun,
    ) -> None:
        self.config = config
        self.run = run
        self.network = network
        self.teacher = teacher.eval().requires_grad_(False)
        self.pretrain_steps = config.pretrain_epochs * steps_per_epoch
        self.main_steps = config.epochs * steps_per_epoch
        _set_trained(network, train_extractor=config.train_extractor)
        self.average = WeightAverage(network, config.ema_decay)
        self.best = copy.deepcopy(self.average.module)
        self.optimizers = _optimizers_of(network, config)
        modules: dict[str, nn.Module] = {"network": network, "average": self.average.module, "best": self.best}
        optimizers: dict[str, Optimizer] = dict(self.optimizers.by_name)
        if config.weights.adversarial:
            shape = network.config
            self.discriminator = Discriminator(shape.feature_channels, shape.feature_size).to(run.device)
            self.discriminator_optimizer = torch.optim.Adam(
                decayed_groups(self.discriminator, config.learning_rate, 0.0), betas=(config.beta1, 0.999)
            )
            modules["discriminator"] = self.discriminator
            optimizers["discriminator"] = self.discriminator_optimizer
        self.state = TrainingState(modules, optimizers)

    def step(self, step: int, pieces: Sequence[TensorBatch]) -> Mapping[str, float]:
        pretraining = step < self.pretrain_steps
        weights = _PRETRAINING if pretraining else self.config.weights
        self._set_learning_rates(step, pretraining)
        # One look serves both networks where the batch is whole; of several, only one graph is kept at a time.
        seen = self._look(step, pieces[0]) if len(pieces) == 1 else None
        scalars: dict[str, float] = {}
        if weights.adversarial:
            scalars["discriminator"] = self._train_discriminator(step, pieces, seen)
        self.optimizers.zero_grad()
        sums: dict[str, Tensor] = {}
        for piece in pieces:
            terms = self._terms(weights, seen or self._look(step, piece), piece)
            loss = torch.stack([getattr(weights, name) * term for name, term in terms.items()]).sum()
            (piece.rows.share * loss).backward()  # type: ignore[no-untyped-call]
            for name, term in {"loss": loss, **terms}.items():
                sums[name] = sums.get(name, torch.zeros_like(term)) + piece.rows.share * term.detach()
        self.run.processes.add_up([*sums.values(), *gradients_of(self.network)])
        check_finite(sums["loss"], step)
        with self.run.autocast():  # Muon multiplies matrices
            self.optimizers.step()
        self.average.update(self.network, step)
        return {**{name: value.item() for name, value in sums.items()}, **scalars}

    def _look(self, step: int, batch: TensorBatch) -> _Views:
        network, teacher = self.network, self.teacher
        self.run.begin(network, STAGE, step, batch.rows)
        with self.run.autocast(), torch.no_grad():
            full_size = torch.full_like(batch.face_size_px, float(teacher.config.input_size))
            full_features = teacher.extract(batch.full, full_size)
            full_embedding = teacher.classifier.embedding(full_features)
            full_logits = teacher.classifier.logits_of(full_embedding)
        with self.run.autocast():
            # A frozen extractor needs no graph, and its forward pass is most of the cost.
            with torch.set_grad_enabled(self.config.train_extractor and torch.is_grad_enabled()):
                small_features = network.extract(batch.small, batch.face_size_px)
            features = network.super_resolve(small_features, batch.face_size_px)
            embedding = network.classifier.embedding(features)
            logits = network.classifier.logits_of(embedding)
        views = (features, embedding, logits, full_features, full_embedding, full_logits)
        return _Views(*(view.float() for view in views))

    def _terms(self, weights: LossWeights, views: _Views, batch: TensorBatch) -> dict[str, Tensor]:
        face_weight = torch.ones_like(batch.face_size_px)
        if self.config.reweighting is Reweighting.CLASSIFICATION_AWARE:
            face_weight = classification_aware_weight(views.logits, batch.labels)
        terms: dict[str, Tensor] = {}
        if weights.adversarial:
            terms["adversarial"] = (face_weight * self.discriminator(views.features)).mean()
        if weights.feature:
            terms["feature"] = (face_weight * squared_difference(views.features, views.full_features)).mean()
        if weights.perceptual:
            terms["perceptual"] = (face_weight * squared_difference(views.embedding, views.full_embedding)).mean()
        if weights.classification:
            terms["classification"] = (face_weight * soft_cross_entropy(views.logits, batch.targets)).mean()
        if weights.distillation:
            divergence = distillation(views.logits, views.full_logits, self.config.temperature)
            terms["distillation"] = (face_weight * divergence).mean()
        return terms

    def _train_discriminator(self, step: int, pieces: Sequence[TensorBatch], seen: _Views | None) -> float:
        self.discriminator_optimizer.zero_grad(set_to_none=True)
        total = torch.zeros((), device=self.run.device)
        for piece in pieces:
            views = seen or self._look_only(step, piece)
            mix = torch.rand(piece.rows.total, device=self.run.device)[piece.rows.slice]
            part = piece.rows.share * wgan_div_discriminator_loss(
                self.discriminator,
                views.full_features,
                views.features,
                mix,
                k=self.config.gradient_penalty_k,
                p=self.config.gradient_penalty_p,
            )
            part.backward()  # type: ignore[no-untyped-call]
            total += part.detach()
        self.run.processes.add_up([total, *gradients_of(self.discriminator)])
        check_finite(total, step)
        self.discriminator_optimizer.step()
        return total.item()

    @torch.no_grad()
    def _look_only(self, step: int, batch: TensorBatch) -> _Views:
        """Look at what will be looked at again, to train on it: the statistics of the network must not move twice."""
        before = [statistic.clone() for statistic in self.network.buffers()]
        views = self._look(step, batch)
        for statistic, value in zip(self.network.buffers(), before, strict=True):
            statistic.copy_(value)
        return views

    def _set_learning_rates(self, step: int, pretraining: bool) -> None:
        config = self.config
        if pretraining:
            factor = warmup_cosine(step, self.pretrain_steps) * config.pretrain_learning_rate / config.learning_rate
        else:
            factor = warmup_cosine(step - self.pretrain_steps, self.main_steps, config.warmup_fraction)
        for optimizer in self.state.optimizers.values():
            set_learning_rates(optimizer, factor)


def _set_trained(network: ExpressionNetwork, *, train_extractor: bool) -> None:
    """Choose what is trained; a frozen extractor also keeps its batch statistics and drops nothing."""
    network.train()
    if not train_extractor:
        for part in (network.backbone, network.classifier):
            part.eval().requires_grad_(False)


def _optimizers_of(network: ExpressionNetwork, config: SuperResolutionConfig) -> Optimizers:
    parts = [TrainedPart(network.generator, config.learning_rate)] if network.generator is not None else []
    if config.train_extractor:
        parts += [TrainedPart(part, config.extractor_learning_rate) for part in (network.backbone, network.classifier)]
    if not parts:
        raise ValueError("stage 2 has nothing to train: no generator, and the extractor is frozen")
    return build_optimizers(parts, config.optimizer, weight_decay=config.weight_decay, beta1=config.beta1)
