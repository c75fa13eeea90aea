"""What both stages of a training run share."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from ..core.errors import RecipeError
from ..core.options import Arithmetic
from .batch_rows import BatchRows, rows_of_process
from .batches import BatchPlan, PairBatch, prefetched
from .checkpoint import TrainingState, load_checkpoint, save_checkpoint
from .distributed import ALONE, Processes
from .progress import Progress
from .validation import Validation
from .whole_batch import show_rows


@dataclass(frozen=True)
class TrainingRun:
    """Circumstances of a run.

    Attributes:
        folder: Where checkpoints go; only the first process uses it.
        fingerprint: Identity of recipe, data and seed.
        seed: Seed of everything random.
        device: Where to compute.
        progress: Who listens.
        checkpoint_seconds: Time between two checkpoints; there is also one after each epoch.
        resume: Go on from the last checkpoint where there is one.
        arithmetic: Number format of the networks' convolutions.
        processes: Who train together.
        pieces: In how many a batch is taken, one after another.
    """

    folder: Path
    fingerprint: str
    seed: int
    device: torch.device
    progress: Progress
    checkpoint_seconds: float = 60.0
    resume: bool = True
    arithmetic: Arithmetic = Arithmetic.FP32
    processes: Processes = ALONE
    pieces: int = 1

    def autocast(self) -> torch.autocast:
        """Return the context in which networks run while they are trained."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.arithmetic is Arithmetic.BF16)

    def begin(self, network: nn.Module, stage: str, step: int, rows: BatchRows) -> None:
        """Let a network draw for some faces of a batch what it would draw for them among all.

        Args:
            network: About to be run on them.
            stage: Name of the stage.
            step: Number of the step.
            rows: The faces.
        """
        torch.manual_seed(derived_seed(self.seed, stage, step))
        show_rows(network, rows)


@dataclass(frozen=True)
class TensorBatch:
    """A :class:`~fsrfer.training.batches.PairBatch` on the device; the same shapes, as tensors.

    Attributes:
        rows: Which faces of a step's batch these are.
    """

    full: torch.Tensor
    small: torch.Tensor
    face_size_px: torch.Tensor
    labels: torch.Tensor
    targets: torch.Tensor
    rows: BatchRows


def run_stage(
    name: str,
    run: TrainingRun,
    state: TrainingState,
    plan: BatchPlan,
    epochs: int,
    validation: Validation,
    train_step: Callable[[int, Sequence[TensorBatch]], Mapping[str, float]],
) -> None:
    """Train a stage to its end, from the start or from its last checkpoint.

    After each epoch ``state.modules["average"]`` is judged; the best one is copied to ``state.modules["best"]``.

    Args:
        name: Name of the stage, and of its checkpoint.
        run: Circumstances.
        state: Freshly built modules and optimisers, among them the networks ``average`` and ``best``.
        plan: The batches.
        epochs: Passes over the faces.
        validation: Judges an epoch.
        train_step: Takes one step, given its number from 0 and this process's part of the batch in pieces, and returns
            scalars to report, those of the whole batch.
    """
    path = run.folder / f"{name}.safetensors"
    if run.resume:
        with run.processes.file_of_first(path) as checkpoint:
            if checkpoint is not None:
                load_checkpoint(checkpoint, state, run.fingerprint)
    rows = rows_of_process(plan.faces_per_step, run.pieces, run.processes.rank, run.processes.count)
    total = epochs * plan.steps_per_epoch
    run.progress.stage(name, state.step, total)
    saved = time.monotonic()
    # Closed here and not by the garbage collector: a traceback that somebody keeps would keep the thread alive.
    with closing(prefetched(lambda step: [plan.batch(step, part) for part in rows], state.step, total)) as batches:
        for batch in batches:
            # Dropout draws from PyTorch's generator: seeding it by the step makes a resumed run the same run.
            torch.manual_seed(derived_seed(run.seed, name, state.step))
            pieces = [to_device(piece, part, run.device) for piece, part in zip(batch, rows, strict=True)]
            scalars = train_step(state.step, pieces)
            state.step += 1
            run.progress.step(name, state.step, scalars)
            epoch_ends = state.step % plan.steps_per_epoch == 0
            if epoch_ends:
                _judge(name, run, state, validation)
            if run.processes.leads and (epoch_ends or time.monotonic() - saved > run.checkpoint_seconds):
                save_checkpoint(path, state, run.fingerprint)
                saved = time.monotonic()


def derived_seed(seed: int, purpose: str, step: int = 0) -> int:
    """Return a seed for PyTorch's generator, from 0 to 2^64 - 1, unrelated to those of other purposes and steps.

    Args:
        seed: Seed of the run, 0 or more.
        purpose: What is drawn.
        step: Its number.
    """
    sequence = np.random.SeedSequence(seed, spawn_key=(step, *purpose.encode()))
    return int(sequence.generate_state(1, np.uint64)[0])


def to_device(batch: PairBatch, rows: BatchRows, device: torch.device) -> TensorBatch:
    """Copy faces of a batch to a device."""
    arrays = (batch.full, batch.small, batch.face_size_px, batch.labels, batch.targets)
    full, small, sizes, labels, targets = (torch.from_numpy(array).to(device, non_blocking=True) for array in arrays)
    return TensorBatch(full, small, sizes, labels, targets, rows)


def gradients_of(network: nn.Module) -> list[torch.Tensor]:
    """Return the gradients of what is trained, in the order of the parameters."""
    return [value.grad for value in network.parameters() if value.requires_grad and value.grad is not None]


def check_finite(loss: torch.Tensor, step: int) -> None:
    """Stop a run whose loss is not a number: every further step would only spread it.

    Raises:
        RecipeError: The loss is NaN or infinite.
    """
    if not torch.isfinite(loss):
        raise RecipeError(
            f"the training diverged at step {step}",
            expected="a finite loss",
            found=loss.item(),
            fix="lower the recipe's learning rate, and train again with --no-resume",
        )


def decayed_groups(module: nn.Module, learning_rate: float, weight_decay: float) -> list[dict[str, object]]:
    """Return parameter groups: weights are decayed; biases and the scales of normalisation are not."""
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    groups = (
        ([parameter for parameter in trained if parameter.ndim > 1], weight_decay),
        ([parameter for parameter in trained if parameter.ndim <= 1], 0.0),
    )
    return [
        {"params": params, "weight_decay": decay, "lr": learning_rate, "peak": learning_rate}
        for params, decay in groups
        if params
    ]


def _judge(name: str, run: TrainingRun, state: TrainingState, validation: Validation) -> None:
    average = state.modules["average"]
    if run.processes.count > 1:
        run.processes.check_alike(
            f"the weights after step {state.step}",
            _digest(average.state_dict().values()),
            fix="train on processors or GPUs of one kind, with as many threads in each process",
        )
    with run.autocast():
        scalars = validation.accuracies(average)
    run.progress.epoch(name, state.step, scalars)
    if scalars["mean_accuracy"] > state.best_score:
        state.best_score, state.best_step = scalars["mean_accuracy"], state.step
        state.modules["best"].load_state_dict(average.state_dict())


def _digest(tensors: Iterable[torch.Tensor]) -> str:
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
