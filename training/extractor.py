"""Stage 1: the FER model, backbone and classifier."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch

from .averaging import WeightAverage
from .batches import BatchPlan
from .checkpoint import TrainingState
from .losses import soft_cross_entropy
from .models.network import ExpressionNetwork
from .recipe import ExtractorConfig
from .run import TensorBatch, TrainingRun, check_finite, decayed_groups, run_stage
from .schedule import set_learning_rates, warmup_cosine
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
    optimizer = torch.optim.AdamW(decayed_groups(network, config.learning_rate, config.weight_decay))
    best = copy.deepcopy(average.module)
    state = TrainingState({"network": network, "average": average.module, "best": best}, {"network": optimizer})
    total = config.epochs * plan.steps_per_epoch

    def train_step(step: int, batch: TensorBatch) -> Mapping[str, float]:
        set_learning_rates(optimizer, warmup_cosine(step, total, config.warmup_fraction))
        logits = network(batch.small, batch.face_size_px)
        loss = soft_cross_entropy(logits, batch.targets, config.label_smoothing).mean()
        check_finite(loss, step)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        average.update(network, step)
        return {"loss": loss.item(), "learning_rate": optimizer.param_groups[0]["lr"]}

    run_stage(STAGE, run, state, plan, config.epochs, validation, train_step)
    return best
