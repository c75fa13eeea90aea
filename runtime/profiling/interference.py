"""What others did on the machine while something was measured: the first reason of a drifting run."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from .core_seconds import CoreSeconds, core_seconds

NOTABLE_CORES = 0.25
"""Cores from which on other work is worth a warning."""


@dataclass(frozen=True)
class Interference:
    """Use of the cores that this process may run on, on average over the measurement; None where the kernel hides it.

    Attributes:
        other_cores: Cores that other processes kept busy.
        stolen_cores: Cores that the hypervisor gave to other guests while this one wanted them.
        idle_cores: Cores that had nothing to do.
    """

    other_cores: float | None
    stolen_cores: float | None
    idle_cores: float | None

    @property
    def is_notable(self) -> bool:
        """Whether somebody should be told: others took cores, and none was left over for them to take instead."""
        others, stolen = self.other_cores or 0.0, self.stolen_cores or 0.0
        has_room = self.idle_cores is not None and self.idle_cores >= 1.0
        return stolen >= NOTABLE_CORES or (others + stolen >= NOTABLE_CORES and not has_room)


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
    cores: CoreSeconds | None

    @classmethod
    def take(cls, root: Path) -> _Reading:
        own = os.times()
        return cls(time.monotonic(), own.user + own.system, core_seconds(root))


def _difference(before: _Reading, after: _Reading) -> Interference:
    elapsed = after.wall_s - before.wall_s
    if before.cores is None or after.cores is None or elapsed <= 0:
        return Interference(None, None, None)
    passed = after.cores.since(before.cores)
    if passed == CoreSeconds(0.0, 0.0, 0.0):  # too short for the kernel's clock, or a kernel that does not count
        return Interference(None, None, None)
    others = passed.busy - (after.own_s - before.own_s)
    return Interference(*(max(0.0, seconds / elapsed) for seconds in (others, passed.stolen, passed.idle)))
