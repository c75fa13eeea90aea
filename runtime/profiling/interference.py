"""What others did on the machine while something was measured: the first reason of a drifting run."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from ...core.readings import read_text

NOTABLE_CORES = 0.25
"""Cores from which on other work is worth a warning."""


@dataclass(frozen=True)
class Interference:
    """Processor time that this process did not get, on average over the measurement; None where the kernel hides it.

    Attributes:
        other_cores: Cores that other processes kept busy.
        stolen_cores: Cores that the hypervisor gave to other guests while this one wanted them.
    """

    other_cores: float | None
    stolen_cores: float | None

    @property
    def is_notable(self) -> bool:
        """Whether somebody should be told."""
        return (self.other_cores or 0.0) + (self.stolen_cores or 0.0) >= NOTABLE_CORES


class InterferenceMeter:
    """Measures from when it is made until it is read.

    Args:
        root: Where ``proc`` is.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root
        self._started = _Reading.take(root)

    def read(self) -> Interference:
        """Return what others did since."""
        return _difference(self._started, _Reading.take(self._root))


@dataclass(frozen=True)
class _Reading:
    wall_s: float
    own_s: float
    busy_s: float | None
    stolen_s: float | None

    @classmethod
    def take(cls, root: Path) -> _Reading:
        own = os.times()
        first_line = (read_text(root / "proc/stat") or "").partition("\n")[0].split()
        # cpu user nice system idle iowait irq softirq steal guest guest_nice (proc(5)); guests are part of user.
        numbers = [int(word) / _ticks() for word in first_line[1:] if word.isdecimal()]
        is_known = len(numbers) >= 8 and sum(numbers) > 0
        busy = sum(numbers[index] for index in (0, 1, 2, 5, 6)) if is_known else None
        return cls(time.monotonic(), own.user + own.system, busy, numbers[7] if is_known else None)


def _difference(before: _Reading, after: _Reading) -> Interference:
    elapsed = after.wall_s - before.wall_s
    if before.busy_s is None or after.busy_s is None or before.stolen_s is None or after.stolen_s is None:
        return Interference(None, None)
    if (
        elapsed <= 0 or after.busy_s == before.busy_s
    ):  # too short for the kernel's clock, or a kernel that does not count
        return Interference(None, None)
    others = (after.busy_s - before.busy_s) - (after.own_s - before.own_s)
    return Interference(max(0.0, others / elapsed), max(0.0, (after.stolen_s - before.stolen_s) / elapsed))


def _ticks() -> int:
    return os.sysconf("SC_CLK_TCK")
