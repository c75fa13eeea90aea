"""The sensors in which a machine tells what energy it uses.

They belong to the whole machine, not to this process: what else runs on it is in their figures. Scopes that contain
each other are never added up. The layouts are those of the kernel's documentation (``power/powercap/powercap.rst``,
``hwmon/ina3221.rst``) and of NVIDIA's developer guide for Jetson (Platform Power and Performance).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ...core.readings import read_text
from .nvml import Nvml

_POWERCAP = "sys/class/powercap"
_I2C = "sys/bus/i2c/devices"
_WHOLE_BOARD = ("VDD_IN", "POM_5V_IN", "5V_IN")
_UNCONNECTED = ("NC", "sum of shunt voltages")


class EnergySensor(Protocol):
    """Something that tells energy or power; :meth:`advance` is called again and again while it is watched."""

    @property
    def name(self) -> str:
        """What it is and what it covers, for people."""

    def advance(self, now_s: float) -> None:
        """Take a sample.

        Args:
            now_s: Present time of the monotonic clock.
        """

    @property
    def joules(self) -> float | None:
        """Energy from the first sample to the last; None before the second one, or where one could not be read."""


class CounterSensor:
    """A counter of energy that starts anew when it is full.

    Args:
        name: What it is.
        read_j: Reads it; None where that fails.
        range_j: Value after which it starts at 0 again; None for never. Samples must come more often than that.
    """

    def __init__(self, name: str, read_j: Callable[[], float | None], range_j: float | None = None) -> None:
        self.name = name
        self._read_j = read_j
        self._range_j = range_j
        self._last_j: float | None = None
        self._samples = 0
        self._total_j = 0.0
        self._is_lost = False

    def advance(self, now_s: float) -> None:  # noqa: ARG002 (signature of the protocol)
        """See :class:`EnergySensor`."""
        value_j = self._read_j()
        if value_j is None:
            self._is_lost = True
            return
        if self._last_j is not None:
            step_j = value_j - self._last_j
            if step_j < 0:
                if self._range_j is None:
                    self._is_lost = True
                    return
                step_j += self._range_j
            self._total_j += step_j
        self._last_j = value_j
        self._samples += 1

    @property
    def joules(self) -> float | None:
        """See :class:`EnergySensor`."""
        return None if self._is_lost or self._samples < 2 else self._total_j


class PowerSensor:
    """A reading of power, summed up over time by the trapezoidal rule.

    Args:
        name: What it is.
        read_w: Reads it; None where that fails.
    """

    def __init__(self, name: str, read_w: Callable[[], float | None]) -> None:
        self.name = name
        self._read_w = read_w
        self._last: tuple[float, float] | None = None
        self._samples = 0
        self._total_j = 0.0
        self._is_lost = False

    def advance(self, now_s: float) -> None:
        """See :class:`EnergySensor`."""
        watts = self._read_w()
        if watts is None:
            self._is_lost = True
            return
        if self._last is not None:
            then_s, then_w = self._last
            self._total_j += (now_s - then_s) * (watts + then_w) / 2
        self._last = now_s, watts
        self._samples += 1

    @property
    def joules(self) -> float | None:
        """See :class:`EnergySensor`."""
        return None if self._is_lost or self._samples < 2 else self._total_j


@dataclass(frozen=True)
class SensorSurvey:
    """The sensors of a machine.

    Attributes:
        sensors: Those whose sum is the energy of the machine, as far as it tells; none covers another.
        problem: Why there are none; None where there are.
    """

    sensors: tuple[EnergySensor, ...]
    problem: str | None = None


def find_sensors(root: Path = Path("/"), nvml: Nvml | None = None) -> SensorSurvey:
    """Find what tells the energy of this machine.

    A Jetson's own sensors cover the board with its GPU, so nothing else counts there. Elsewhere the packages and the
    memory of the processors (RAPL) and the GPUs (NVML) add up.

    Args:
        root: Where ``sys`` is.
        nvml: The GPUs; None for none.
    """
    rails = _jetson_rails(root)
    if rails:
        return SensorSurvey(rails)
    packages, problem = _rapl(root)
    sensors = (*packages, *_gpus(nvml))
    return SensorSurvey(sensors, None if sensors else problem)


def _rapl(root: Path) -> tuple[tuple[EnergySensor, ...], str]:
    # `intel-rapl:0` is a package, `intel-rapl:0:1` a part of it. AMD's processors are found under the same name. The
    # cores (core, uncore) are parts of the package, psys covers it; the memory (dram) lies beside it.
    sensors: list[EnergySensor] = []
    is_closed = False
    for folder in sorted((root / _POWERCAP).glob("intel-rapl:*")):
        name = read_text(folder / "name") or ""
        if not (name.startswith("package") or name == "dram"):
            continue
        if _number(folder / "energy_uj") is None:
            is_closed = is_closed or (folder / "energy_uj").exists()
            continue
        label = name if name.startswith("package") else f"{name} of {_package_of(folder)}"
        limit = _number(folder / "max_energy_range_uj")
        sensors.append(
            CounterSensor(f"RAPL {label}", _scaled(folder / "energy_uj", 1e-6), None if limit is None else limit * 1e-6)
        )
    if is_closed and not sensors:
        return (), f"only root may read {root / _POWERCAP}/*/energy_uj"
    return tuple(sensors), "no RAPL, INA3221 or NVML sensor"


def _package_of(folder: Path) -> str:
    parent = folder.with_name(folder.name.rpartition(":")[0])
    return read_text(parent / "name") or parent.name


def _jetson_rails(root: Path) -> tuple[EnergySensor, ...]:
    rails: dict[str, Callable[[], float | None]] = {}
    for device in sorted((root / _I2C).glob("*")):
        if not (read_text(device / "name") or "").startswith("ina3221"):
            continue
        for folder in (*sorted(device.glob("hwmon/hwmon*")), *sorted(device.glob("iio:device*"))):
            rails.update(_rails_of(folder))
    whole = next((name for name in _WHOLE_BOARD if name in rails), None)
    chosen = rails if whole is None else {whole: rails[whole]}
    return tuple(PowerSensor(f"INA3221 {name}", read_w) for name, read_w in sorted(chosen.items()))


def _rails_of(folder: Path) -> dict[str, Callable[[], float | None]]:
    found: dict[str, Callable[[], float | None]] = {}
    for label in sorted(folder.glob("in[0-9]_label")):  # JetPack 5 and later: millivolts and milliamperes
        name, number = read_text(label) or "", label.name[2]
        if name and not any(name.startswith(word) for word in _UNCONNECTED):
            found[name] = _product(folder / f"in{number}_input", folder / f"curr{number}_input")
    for label in sorted(folder.glob("rail_name_[0-9]")):  # JetPack 4: milliwatts
        name, number = read_text(label) or "", label.name[-1]
        if name and not any(name.startswith(word) for word in _UNCONNECTED):
            found[name] = _scaled(folder / f"in_power{number}_input", 1e-3)
    return found


def _gpus(nvml: Nvml | None) -> Sequence[EnergySensor]:
    sensors: list[EnergySensor] = []
    for gpu in () if nvml is None else nvml.gpus:
        name = f"NVML GPU {gpu.index} ({gpu.name})"
        if gpu.energy_j() is not None:  # Volta and later
            sensors.append(CounterSensor(name, gpu.energy_j))
        elif gpu.power_w() is not None:
            sensors.append(PowerSensor(name, gpu.power_w))
    return sensors


def _scaled(path: Path, unit: float) -> Callable[[], float | None]:
    def read() -> float | None:
        value = _number(path)
        return None if value is None else value * unit

    return read


def _product(volts: Path, amperes: Path) -> Callable[[], float | None]:
    def read() -> float | None:
        millivolts, milliamperes = _number(volts), _number(amperes)
        return None if millivolts is None or milliamperes is None else millivolts * milliamperes * 1e-6

    return read


def _number(path: Path) -> int | None:
    text = read_text(path) or ""
    return int(text) if re.fullmatch(r"-?\d+", text) else None
