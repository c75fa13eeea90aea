"""Processor time of this process, by what its threads are for."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from .core_seconds import core_seconds


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
        machine_s: Of all programs and of the hypervisor, on the processors that this one may use; None where the kernel
            does not tell.
    """

    total_s: float
    by_kind_s: Mapping[ThreadKind, float]
    machine_s: float | None = None

    @property
    def others_s(self) -> float | None:
        """What other programs and other guests of the hypervisor used."""
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
    cores = core_seconds()
    # What the hypervisor took is as gone as what other programs took.
    return ProcessorTime(times.user + times.system, found, None if cores is None else cores.busy + cores.stolen)


def _kind_of(name: str) -> ThreadKind:
    return _KINDS.get(name.partition(" ")[0], ThreadKind.OTHER)


def _seconds(task: Path) -> float:
    try:
        # The fields behind the command's name, which may hold spaces: see proc_pid_stat(5).
        fields = (task / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):  # it has ended
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
