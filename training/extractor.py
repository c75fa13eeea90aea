"""Stage 1: the FER model, backbone and classifier."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import torch

from .averaging import WeightAverage
from .batches import BatchPlan
from .checkpoint import TrainingState
from .losses import soft_cross_entropy
from .models.network import ExpressionNetwork
from .optimizers import TrainedPart, build_optimizers
from .run import TensorBatch, TrainingRun, check_finite, gradients_of, run_stage
from .schedule import warmup_cosine
from .stages import ExtractorConfig
from .validation import Validation

STAGE = "extractor"


def train_extractor(
    network: ExpressionNetwork, plan: BatchPlan, validation: Validation, config: ExtractorConfig, run: TrainingRun
) -> ExpressionNetwork:
    """Train backbone and classifier on the small faces of the plan.

    Args:
        network: A network without generator, with random weights; changed in place.
        plan: The batches; its face sizes decide whether this is a full-size or a mixed-resolution model.
        validation: Judges an epoch.
        config: The stage's settings.
        run: Circumstances.

    Returns:
        The averaged network of the best epoch, in evaluation mode.
    """
    network.train()
    average = WeightAverage(network, config.ema_decay)
    part = TrainedPart(network, config.learning_rate)
    optimizers = build_optimizers([part], config.optimizer, weight_decay=config.weight_decay)
    best = copy.deepcopy(average.module)
    state = TrainingState({"network": network, "average": average.module, "best": best}, optimizers.by_name)
    total = config.epochs * plan.steps_per_epoch

    def train_step(step: int, pieces: Sequence[TensorBatch]) -> Mapping[str, float]:
        factor = warmup_cosine(step, total, config.warmup_fraction)
        optimizers.set_learning_rates(factor)
        optimizers.zero_grad()
        loss = torch.zeros((), device=run.device)
        for piece in pieces:
            run.begin(network, STAGE, step, piece.rows)
            with run.autocast():
                logits = network(piece.small, piece.face_size_px)
            mean = soft_cross_entropy(logits.float(), piece.targets, config.label_smoothing).mean()
            part = piece.rows.share * mean
            part.backward()  # type: ignore[no-untyped-call]
            loss += part.detach()
        run.processes.add_up([loss, *gradients_of(network)])
        check_finite(loss, step)
        with run.autocast():  # Muon multiplies matrices
            optimizers.step()
        average.update(network, step)
        return {"loss": loss.item(), "learning_rate": factor * config.learning_rate}

    run_stage(STAGE, run, state, plan, config.epochs, validation, train_step)
    return best
