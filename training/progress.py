"""What a training run tells while it goes on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Protocol


class Progress(Protocol):
    """Listens to a run. The command line shows bars; TensorBoard keeps scalars."""

    def stage(self, name: str, done: int, total: int) -> None:
        """A stage begins, ``done`` of its ``total`` steps having been taken before."""

    def step(self, name: str, step: int, scalars: Mapping[str, float]) -> None:
        """A step of a stage is done; ``step`` counts from 1."""

    def epoch(self, name: str, step: int, scalars: Mapping[str, float]) -> None:
        """An epoch of a stage was judged on the validation split."""


class Silence:
    """Says nothing."""

    def stage(self, name: str, done: int, total: int) -> None:
        """Ignore."""

    def step(self, name: str, step: int, scalars: Mapping[str, float]) -> None:
        """Ignore."""

    def epoch(self, name: str, step: int, scalars: Mapping[str, float]) -> None:
        """Ignore."""


class TensorBoardScalars:
    """Writes scalars for TensorBoard and passes everything on.

    Args:
        folder: Where the event files go.
        listener: Who else listens.
        every: Steps between two training scalars.
    """

    def __init__(self, folder: Path, listener: Progress, every: int = 10) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder))
        self._listener = listener
        self._every = every

    def stage(self, name: str, done: int, total: int) -> None:
        """Pass on."""
        self._listener.stage(name, done, total)

    def step(self, name: str, step: int, scalars: Mapping[str, float]) -> None:
        """Write every few steps, and pass on."""
        if step % self._every == 0:
            self._write(f"{name}/train", step, scalars)
        self._listener.step(name, step, scalars)

    def epoch(self, name: str, step: int, scalars: Mapping[str, float]) -> None:
        """Write, and pass on."""
        self._write(f"{name}/valid", step, scalars)
        self._listener.epoch(name, step, scalars)

    def _write(self, prefix: str, step: int, scalars: Mapping[str, float]) -> None:
        for key, value in scalars.items():
            self._writer.add_scalar(f"{prefix}/{key}", value, step)

    def __enter__(self) -> TensorBoardScalars:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()
