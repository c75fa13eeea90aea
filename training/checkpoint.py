"""Checkpoints: everything that a run needs to go on exactly where it was.

One safetensors file holds all tensors (weights, averages, optimiser states); its header holds the counters as JSON.
One file, replaced atomically, cannot be half of one moment and half of another. Nothing is pickled.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from ..core.errors import CheckpointError
from ..core.files import atomic_path


@dataclass
class TrainingState:
    """What changes while a stage is trained.

    Attributes:
        modules: Everything with weights, by name.
        optimizers: By name.
        step: Steps taken so far.
        best_score: Best validation score so far; minus infinity before the first.
        best_step: Step of that score.
    """

    modules: Mapping[str, nn.Module]
    optimizers: Mapping[str, Optimizer]
    step: int = 0
    best_score: float = field(default=float("-inf"))
    best_step: int = 0


def save_checkpoint(path: Path, state: TrainingState, fingerprint: str) -> None:
    """Write a checkpoint atomically.

    Args:
        path: Its file.
        state: What to keep.
        fingerprint: Identity of the run (recipe, data, seed); only the same run may go on from here.
    """
    tensors: dict[str, Tensor] = {}
    for name, module in state.modules.items():
        for key, value in module.state_dict().items():
            tensors[f"module/{name}/{key}"] = _copied(value)
    for name, optimizer in state.optimizers.items():
        for index, values in optimizer.state_dict()["state"].items():
            for key, value in values.items():
                tensors[f"optimizer/{name}/{index}/{key}"] = _copied(torch.as_tensor(value))
    counters = {"step": state.step, "best_step": state.best_step}
    if state.best_score != float("-inf"):
        counters["best_score"] = state.best_score  # type: ignore[assignment]
    header = {"fingerprint": fingerprint, "counters": json.dumps(counters)}
    with atomic_path(path) as temporary:
        save_file(tensors, temporary, metadata=header)


def load_checkpoint(path: Path, state: TrainingState, fingerprint: str) -> None:
    """Bring a freshly built state to where a checkpoint left it.

    Args:
        path: File of :func:`save_checkpoint`.
        state: Modules and optimisers of the same stage; changed in place.
        fingerprint: Identity of the run that wants to go on.

    Raises:
        CheckpointError: The file is damaged or does not fit the state, or belongs to a run with another recipe, data
            or seed. The state may then be half changed.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            _check_fingerprint(path, header.get("fingerprint"), fingerprint)
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a mapping
        _restore(state, tensors, json.loads(header["counters"]))
    # PyTorch raises RuntimeError and ValueError where weights and optimiser states do not fit.
    except (SafetensorError, KeyError, ValueError, RuntimeError) as problem:
        raise CheckpointError(
            f"checkpoint {path} is damaged, or was written by another version",
            found=" ".join(str(problem).split()),
            fix="train again with --no-resume",
        ) from problem


def _copied(value: Tensor) -> Tensor:
    return value.detach().cpu().clone(memory_format=torch.contiguous_format)


def _restore(state: TrainingState, tensors: Mapping[str, Tensor], counters: Mapping[str, Any]) -> None:
    for name, module in state.modules.items():
        prefix = f"module/{name}/"
        module.load_state_dict(
            {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
        )
    for name, optimizer in state.optimizers.items():
        optimizer.load_state_dict(
            {"state": _optimizer_state(tensors, name), "param_groups": optimizer.state_dict()["param_groups"]}
        )
        _lay_out(optimizer)
    state.step = counters["step"]
    state.best_step = counters["best_step"]
    state.best_score = counters.get("best_score", float("-inf"))


def _optimizer_state(tensors: Mapping[str, Tensor], name: str) -> dict[int, dict[str, Tensor]]:
    values: dict[int, dict[str, Tensor]] = {}
    for path, value in tensors.items():
        kind, owner, *rest = path.split("/", 3)
        if kind == "optimizer" and owner == name:
            index, key = rest
            values.setdefault(int(index), {})[key] = value
    return values


def _lay_out(optimizer: Optimizer) -> None:
    # Files hold plain tensors. A step over tensors of different memory formats takes another path through PyTorch,
    # slower and rounded otherwise; the same bits need the formats of the run before.
    for parameter, values in optimizer.state.items():
        for key, value in values.items():
            if value.shape == parameter.shape:
                values[key] = torch.empty_like(parameter).copy_(value)


def _check_fingerprint(path: Path, found: str | None, wanted: str) -> None:
    if found != wanted:
        raise CheckpointError(
            f"checkpoint {path} belongs to another run",
            expected="the same recipe, data and seed",
            found=f"fingerprint {found} instead of {wanted}",
            fix="give another --output, or train anew with --no-resume",
        )
