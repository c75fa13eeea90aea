"""What the cores that this process may use did, as the kernel counts it: nobody else's cores take anything from it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ...core.readings import read_text

_FIELDS = 8
_BUSY, _IDLE, _STOLEN = (0, 1, 2, 5, 6), (3, 4), (7,)
"""Positions of user, nice, system, irq, softirq; idle, iowait; steal (proc_stat(5)). Guests are part of user."""


@dataclass(frozen=True)
class CoreSeconds:
    """Seconds of cores since the machine started, summed over those that this process may use.

    Attributes:
        busy: In which programs or the kernel ran.
        idle: In which nothing was to do.
        stolen: Which the hypervisor gave to other guests.
    """

    busy: float
    idle: float
    stolen: float

    def since(self, earlier: CoreSeconds) -> CoreSeconds:
        """Return what was counted after an earlier moment."""
        return CoreSeconds(self.busy - earlier.busy, self.idle - earlier.idle, self.stolen - earlier.stolen)


def core_seconds(root: Path = Path("/")) -> CoreSeconds | None:
    """Read the kernel's counts; None where it does not tell.

    Args:
        root: Where ``proc`` is.
    """
    sums = [0] * _FIELDS
    usable = {f"cpu{number}" for number in os.sched_getaffinity(0)}
    for line in (read_text(root / "proc/stat") or "").splitlines():
        name, *words = line.split()
        if name in usable and len(words) >= _FIELDS:
            sums = [before + int(word) for before, word in zip(sums, words[:_FIELDS], strict=True)]
    if not any(sums):
        return None
    a_second = os.sysconf("SC_CLK_TCK")
    return CoreSeconds(*(sum(sums[position] for position in group) / a_second for group in (_BUSY, _IDLE, _STOLEN)))
