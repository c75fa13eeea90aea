"""Progress of a training run in the terminal."""

from __future__ import annotations

from collections.abc import Mapping

from rich.progress import Progress as Bars
from rich.progress import TaskID


class TrainingBars:
    """Shows a bar for each stage, and a line for each epoch.

    Args:
        bars: Where to show them.
    """

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def stage(self, name: str, done: int, total: int) -> None:
        """Show a bar for a stage."""
        self._tasks[name] = self._bars.add_task(name, total=total, completed=done)

    def step(self, name: str, step: int, scalars: Mapping[str, float]) -> None:
        """Move its bar."""
        self._bars.update(self._tasks[name], completed=step, description=f"{name} (loss {scalars['loss']:.3f})")

    def epoch(self, name: str, step: int, scalars: Mapping[str, float]) -> None:
        """Print a line."""
        told = ", ".join(f"{key.removeprefix('accuracy_')} {value:.1%}" for key, value in scalars.items())
        self._bars.console.print(f"{name}, step {step}, validation accuracy: {told}")
