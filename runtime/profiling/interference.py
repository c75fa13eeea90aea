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


_FIELDS = 8
_BUSY, _IDLE, _STOLEN = (0, 1, 2, 5, 6), (3, 4), (7,)
"""Positions of user, nice, system, irq, softirq; idle, iowait; steal (proc(5)). Guests are part of user."""


@dataclass(frozen=True)
class _Reading:
    wall_s: float
    own_s: float
    ticks: tuple[int, ...] | None

    @classmethod
    def take(cls, root: Path) -> _Reading:
        own = os.times()
        return cls(time.monotonic(), own.user + own.system, _ticks_of_usable_cores(root))


def _ticks_of_usable_cores(root: Path) -> tuple[int, ...] | None:
    sums = [0] * _FIELDS
    usable = {f"cpu{number}" for number in os.sched_getaffinity(0)}
    for line in (read_text(root / "proc/stat") or "").splitlines():
        name, *words = line.split()
        if name in usable and len(words) >= _FIELDS:
            sums = [before + int(word) for before, word in zip(sums, words[:_FIELDS], strict=True)]
    return tuple(sums) if any(sums) else None


def _difference(before: _Reading, after: _Reading) -> Interference:
    elapsed = after.wall_s - before.wall_s
    if before.ticks is None or after.ticks is None or elapsed <= 0:
        return Interference(None, None, None)
    passed = [late - early for early, late in zip(before.ticks, after.ticks, strict=True)]
    if not any(passed):  # too short for the kernel's clock, or a kernel that does not count
        return Interference(None, None, None)
    a_second = os.sysconf("SC_CLK_TCK")
    busy, idle, stolen = (
        sum(passed[position] for position in positions) / a_second for positions in (_BUSY, _IDLE, _STOLEN)
    )
    others = busy - (after.own_s - before.own_s)
    return Interference(max(0.0, others / elapsed), max(0.0, stolen / elapsed), max(0.0, idle / elapsed))
