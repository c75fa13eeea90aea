"""The processor, and how much of it this process may use.

A container sees all cores of its machine and may be allowed a fraction of one: threads beyond the quota make every
one of them wait for the next period.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from .readings import read_fields, read_text

_CGROUP = "sys/fs/cgroup"


@dataclass(frozen=True)
class Processor:
    """A processor.

    Attributes:
        model: Its name; None where the kernel does not say.
        physical_cores: Cores without counting hyper-threads; None where the kernel does not say.
        logical_cores: Cores as the kernel schedules them.
        affinity_cores: Those that this process may be scheduled on.
        quota_cores: Processor time that the control groups allow, in cores; None for no limit.
        governor: Frequency governor of the first core (``performance`` holds the clock); None where there is none.
    """

    model: str | None
    physical_cores: int | None
    logical_cores: int
    affinity_cores: int
    quota_cores: float | None
    governor: str | None

    @property
    def usable_cores(self) -> float:
        """Cores that this process may keep busy: the smaller of affinity and quota."""
        return float(self.affinity_cores) if self.quota_cores is None else min(self.affinity_cores, self.quota_cores)


def read_processor(root: Path = Path("/")) -> Processor:
    """Describe the processor.

    Args:
        root: Where ``proc`` and ``sys`` are.
    """
    return Processor(
        model=_model(root),
        physical_cores=_physical_cores(root),
        logical_cores=os.cpu_count() or 1,
        affinity_cores=len(os.sched_getaffinity(0)),
        quota_cores=_quota_cores(root),
        governor=read_text(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
    )


def may_saturate_int8(root: Path = Path("/")) -> bool:
    """Tell whether this is an x86 processor without VNNI, whose products of uint8 and int8 saturate in pairs.

    Args:
        root: Where ``proc`` is. Where it does not tell, the answer is yes.
    """
    cpu = read_fields(root / "proc/cpuinfo")
    if "CPU part" in cpu:  # Arm
        return False
    return not {"avx512_vnni", "avx_vnni"} & set(cpu.get("flags", "").split())


def _model(root: Path) -> str | None:
    cpu = read_fields(root / "proc/cpuinfo")
    name = cpu.get("model name")
    if name is None and "CPU part" in cpu:  # Arm kernels give numbers only
        return f"Arm implementer {cpu.get('CPU implementer', '?')} part {cpu['CPU part']}"
    return name


def _physical_cores(root: Path) -> int | None:
    topologies = (root / "sys/devices/system/cpu").glob("cpu[0-9]*/topology")
    cores = {(read_text(path / "physical_package_id"), read_text(path / "core_id")) for path in topologies}
    cores = {core for core in cores if core[1] is not None}
    return len(cores) or None


def _quota_cores(root: Path) -> float | None:
    quotas = [_quota_v2(root), _quota_v1(root)]
    return min((quota for quota in quotas if quota is not None), default=None)


def _quota_v2(root: Path) -> float | None:
    quotas = []
    for folder in _group_folders(root, "", _CGROUP):
        quota, _, period = (read_text(folder / "cpu.max") or "max").partition(" ")
        if quota.isdecimal() and period.isdecimal():
            quotas.append(int(quota) / int(period))
    return min(quotas, default=None)


def _quota_v1(root: Path) -> float | None:
    quotas = []
    for folder in _group_folders(root, "cpu", f"{_CGROUP}/cpu"):
        quota, period = read_text(folder / "cpu.cfs_quota_us"), read_text(folder / "cpu.cfs_period_us")
        if quota is not None and period is not None and quota.isdecimal() and period.isdecimal():  # -1 is no limit
            quotas.append(int(quota) / int(period))
    return min(quotas, default=None)


def _group_folders(root: Path, controller: str, mount: str) -> list[Path]:
    # A group is bound by its own limit and by those of all groups around it.
    for line in (read_text(root / "proc/self/cgroup") or "").splitlines():
        _, controllers, path = (line.split(":", 2) + ["", ""])[:3]
        if controller in controllers.split(","):
            group = PurePosixPath(path.lstrip("/"))
            return [root / mount / group, *(root / mount / parent for parent in group.parents)]
    return [root / mount]
