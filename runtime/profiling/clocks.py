"""Clock frequencies while something is measured, and what held them down.

``cpufreq`` gives frequencies in kHz and ``thermal`` temperatures in thousandths of a degree (the kernel's
``admin-guide/pm/cpufreq.rst`` and ``ABI/testing/sysfs-class-thermal``); ``thermal_throttle`` counts how often an Intel
processor slowed down for heat. ``devfreq`` gives the clock of a Jetson's GPU in Hz
(``ABI/testing/sysfs-class-devfreq``). Virtual machines have none of these.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ...core.readings import read_text
from .nvml import Nvml

_CPUS = "sys/devices/system/cpu"
_THERMAL = "sys/class/thermal"
_DEVFREQ = "sys/class/devfreq"
_JETSON_GPUS = (".gpu", ".ga10b", ".gv11b", ".gp10b", ".gm20b")
"""How the devices of Jetsons' GPUs end, from JetPack 6 back to the TX1."""
# Cooling devices that slow a processor down; fans are another kind.
_BRAKES = ("Processor", "cpu", "devfreq", "gpu", "intel_powerclamp", "thermal-cpufreq", "thermal-devfreq")


@dataclass(frozen=True)
class ClockReport:
    """Clocks over a while; None where the machine does not tell.

    Attributes:
        cpu_mean_mhz: Mean of all cores and samples.
        cpu_min_mhz: The lowest of them.
        cpu_max_mhz: The highest that the fastest core can have.
        gpu_mean_mhz: Mean over all samples of the first GPU, or of a Jetson's.
        hottest_c: Highest temperature of any thermal zone.
        throttle_events: How often processors slowed down for heat meanwhile.
        brakes: What held clocks down at any sample: cooling devices that were active, and reasons that GPUs gave.
    """

    cpu_mean_mhz: float | None
    cpu_min_mhz: float | None
    cpu_max_mhz: float | None
    gpu_mean_mhz: float | None
    hottest_c: float | None
    throttle_events: int | None
    brakes: tuple[str, ...]

    @property
    def is_throttled(self) -> bool:
        """Whether something held clocks down, as far as the machine tells."""
        return bool(self.brakes or self.throttle_events)


class ClockWatch:
    """Collects samples of clocks.

    Args:
        root: Where ``sys`` is.
        nvml: The GPUs; None for none.
    """

    def __init__(self, root: Path = Path("/"), nvml: Nvml | None = None) -> None:
        self._root = root
        self._nvml = nvml
        cpus = sorted((root / _CPUS).glob("cpu[0-9]*"))
        self._frequencies = [path for cpu in cpus if (path := cpu / "cpufreq/scaling_cur_freq").exists()]
        self._limits = [cpu / "cpufreq/cpuinfo_max_freq" for cpu in cpus]
        self._throttles = [path for cpu in cpus if (path := cpu / "thermal_throttle/core_throttle_count").exists()]
        devices = sorted((root / _DEVFREQ).glob("*"))
        self._gpu_clocks = [path / "cur_freq" for path in devices if path.name.endswith(_JETSON_GPUS)]
        self._zones = sorted((root / _THERMAL).glob("thermal_zone*/temp"))
        self._coolers = [
            (name, folder / "cur_state")
            for folder in sorted((root / _THERMAL).glob("cooling_device*"))
            if (name := read_text(folder / "type") or "").startswith(_BRAKES)
        ]
        self._cpu_mhz: list[float] = []
        self._gpu_mhz: list[float] = []
        self._hottest_c: float | None = None
        self._brakes: dict[str, None] = {}
        self._throttled_before = self._throttled()

    def advance(self) -> None:
        """Take a sample."""
        self._cpu_mhz += (value / 1e3 for value in _numbers(self._frequencies))
        self._gpu_mhz += (value / 1e6 for value in _numbers(self._gpu_clocks))
        temperatures = [value / 1e3 for value in _numbers(self._zones)]
        self._hottest_c = max([*temperatures, *([] if self._hottest_c is None else [self._hottest_c])], default=None)
        for name, path in self._coolers:
            if any(state > 0 for state in _numbers([path])):
                self._brakes[name] = None
        for gpu in () if self._nvml is None else self._nvml.gpus:
            if gpu.index == 0 and (clock := gpu.clock_mhz()) is not None:
                self._gpu_mhz.append(clock)
            self._brakes.update({f"GPU {gpu.index}: {reason}": None for reason in gpu.slowdowns()})

    def report(self) -> ClockReport:
        """Return what the samples say."""
        limits = list(_numbers(self._limits))
        after = self._throttled()
        is_counted = self._throttled_before is not None and after is not None
        return ClockReport(
            cpu_mean_mhz=_mean(self._cpu_mhz),
            cpu_min_mhz=min(self._cpu_mhz, default=None),
            cpu_max_mhz=max(limits) / 1e3 if limits else None,
            gpu_mean_mhz=_mean(self._gpu_mhz),
            hottest_c=self._hottest_c,
            throttle_events=(after or 0) - (self._throttled_before or 0) if is_counted else None,
            brakes=tuple(self._brakes),
        )

    def _throttled(self) -> int | None:
        return sum(_numbers(self._throttles)) if self._throttles else None


def _numbers(paths: list[Path]) -> Iterator[int]:
    for path in paths:
        text = read_text(path) or ""
        if text.lstrip("-").isdecimal():
            yield int(text)


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None
