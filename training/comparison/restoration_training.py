"""Training the image super-resolution of baseline B2."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch

from ..averaging import WeightAverage
from ..batches import BatchPlan
from ..checkpoint import TrainingState
from ..face_variation import FaceSizes
from ..run import TensorBatch, TrainingRun, check_finite, decayed_groups, run_stage
from ..schedule import set_learning_rates, warmup_cosine
from ..validation import Validation
from .restoring import RestoringClassifier

STAGE = "restoration"


@dataclass(frozen=True)
class RestorationConfig:
    """Settings of the training.

    Attributes:
        epochs: Passes over the training faces.
        batch_size: Faces in a step.
        learning_rate: Peak of the schedule (linear warm-up, then half a cosine), AdamW.
        ema_decay: Decay a step of the weights' moving average.
        face_sizes: Native sizes of the small faces; full-size ones are never restored.
    """

    epochs: int = 6
    batch_size: int = 64
    learning_rate: float = 1e-3
    ema_decay: float = 0.998
    face_sizes: FaceSizes = field(default_factory=lambda: FaceSizes(smallest=8, full_fraction=0.0))

    def shortened(self, epochs: int) -> RestorationConfig:
        """Return the settings with no more than some epochs."""
        return replace(self, epochs=min(self.epochs, epochs))


def train_restoration(
    model: RestoringClassifier,
    plan: BatchPlan,
    validation: Validation,
    config: RestorationConfig,
    run: TrainingRun,
) -> RestoringClassifier:
    """Train the restoration on pairs of small and full-size faces, by the mean absolute difference of pixels.

    Epochs are judged by what the comparison asks for: the accuracy of the frozen classifier on the restored faces.

    Args:
        model: Its restoration is changed in place; its classifier stays as it is.
        plan: Pairs of faces.
        validation: Judges an epoch.
        config: Settings.
        run: Circumstances.

    Returns:
        The averaged model of the best epoch, in evaluation mode.
    """
    model.train()
    model.network.eval().requires_grad_(False)
    optimizer = torch.optim.AdamW(decayed_groups(model.restoration, config.learning_rate, 0.0))
    average = WeightAverage(model, config.ema_decay)
    best = copy.deepcopy(average.module)
    state = TrainingState({"network": model, "average": average.module, "best": best}, {"network": optimizer})
    total = config.epochs * plan.steps_per_epoch

    def train_step(step: int, pieces: Sequence[TensorBatch]) -> Mapping[str, float]:
        (batch,) = pieces  # nothing is divided in a comparison
        set_learning_rates(optimizer, warmup_cosine(step, total, 0.05))
        with run.autocast():
            restored = model.restoration(batch.small.float() / 255.0)
        loss = (restored.float() - batch.full.float() / 255.0).abs().mean()
        check_finite(loss, step)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        average.update(model, step)
        return {"loss": loss.item()}

    run_stage(STAGE, run, state, plan, config.epochs, validation, train_step)
    return best
