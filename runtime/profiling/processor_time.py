"""Processor time of this process, by what its threads are for."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from ...core.readings import read_text


class ThreadKind(str, Enum):
    """What threads do."""

    SOURCES = "sources"
    """Reading and decoding."""

    DETECTION = "detection"
    """The lanes that search frames, with what of ONNX Runtime runs in them."""

    PIPELINE = "pipeline"
    """The thread that follows, crops, reads and writes."""

    OTHER = "other"
    """Threads of ONNX Runtime, FFmpeg and OpenCV, and of sinks."""


_KINDS = {
    "fsrfer-source": ThreadKind.SOURCES,
    "fsrfer-connection": ThreadKind.SOURCES,
    "fsrfer-detect": ThreadKind.DETECTION,
}


@dataclass(frozen=True)
class ProcessorTime:
    """Processor time so far.

    Attributes:
        total_s: Of the whole process, also of threads that have ended.
        by_kind_s: Of threads that are alive.
        machine_s: Of all programs, on the processors that this one may use; None where the kernel does not tell.
    """

    total_s: float
    by_kind_s: Mapping[ThreadKind, float]
    machine_s: float | None = None

    @property
    def others_s(self) -> float | None:
        """What other programs used."""
        return None if self.machine_s is None else max(self.machine_s - self.total_s, 0.0)

    def since(self, earlier: ProcessorTime) -> ProcessorTime:
        """Return what was used after an earlier moment; of threads that ended meanwhile it is in the total only."""
        return ProcessorTime(
            self.total_s - earlier.total_s,
            {kind: max(seconds - earlier.by_kind_s[kind], 0.0) for kind, seconds in self.by_kind_s.items()},
            None if self.machine_s is None or earlier.machine_s is None else self.machine_s - earlier.machine_s,
        )


def processor_time() -> ProcessorTime:
    """Return the processor time of this process; the calling thread is taken for the pipeline's."""
    pipeline = threading.get_native_id()
    kinds = {thread.native_id: _kind_of(thread.name) for thread in threading.enumerate()}
    found = dict.fromkeys(ThreadKind, 0.0)
    for task in Path("/proc/self/task").iterdir():
        number = int(task.name)
        kind = ThreadKind.PIPELINE if number == pipeline else kinds.get(number, ThreadKind.OTHER)
        found[kind] += _seconds(task)
    times = os.times()
    return ProcessorTime(times.user + times.system, found, _machine_s())


def _kind_of(name: str) -> ThreadKind:
    return _KINDS.get(name.partition(" ")[0], ThreadKind.OTHER)


def _seconds(task: Path) -> float:
    try:
        # The fields behind the command's name, which may hold spaces: see proc_pid_stat(5).
        fields = (task / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):  # it has ended
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _machine_s() -> float | None:
    # Lines of the single processors in proc_stat(5): user, nice, system, idle, iowait, irq, softirq, steal. What runs
    # on processors that this process may not use takes nothing from it.
    usable = {f"cpu{number}" for number in os.sched_getaffinity(0)}
    rows = [line.split() for line in (read_text(Path("/proc/stat")) or "").splitlines()]
    busy = [_busy_ticks(row[1:9]) for row in rows if row and row[0] in usable and len(row) >= 9]
    return sum(busy) / os.sysconf("SC_CLK_TCK") if busy else None


def _busy_ticks(fields: Sequence[str]) -> int:
    user, nice, system, _idle, _iowait, irq, softirq, steal = (int(field) for field in fields)
    return user + nice + system + irq + softirq + steal
