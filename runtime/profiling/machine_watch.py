"""Watches energy and clocks of the machine beside what is measured."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from .clocks import ClockReport, ClockWatch
from .nvml import Nvml
from .power import find_sensors

NOT_MEASURED = "not measured"
_INTERVAL_S = 0.25


@dataclass(frozen=True)
class SensorEnergy:
    """Energy by one sensor.

    Attributes:
        sensor: Which one.
        joules: Energy of what it covers, whoever used it.
    """

    sensor: str
    joules: float


@dataclass(frozen=True)
class EnergyReport:
    """Energy of the machine over a while.

    Attributes:
        seconds: How long.
        sensors: What each sensor says; empty where nothing tells.
        problem: Why nothing tells; None where something does.
    """

    seconds: float
    sensors: tuple[SensorEnergy, ...]
    problem: str | None

    @property
    def joules(self) -> float | None:
        """Sum of all sensors; None where nothing was measured, and never 0 for that."""
        return sum(sensor.joules for sensor in self.sensors) if self.sensors else None

    @property
    def watts(self) -> float | None:
        """Mean power."""
        return None if self.joules is None or self.seconds <= 0 else self.joules / self.seconds

    def joules_per(self, count: float, of: float = 1.0) -> float | None:
        """Return the energy of ``of`` things, where ``count`` of them were done; None where that cannot be said."""
        return None if self.joules is None or count <= 0 else self.joules * of / count

    def describe(self, faces: float) -> str:
        """Say the energy in words.

        Args:
            faces: Faces that were done meanwhile.
        """
        if self.joules is None:
            return f"{NOT_MEASURED} ({self.problem})"
        per_face = self.joules_per(faces)
        cost = "" if per_face is None else f", {1e3 * per_face:.1f} mJ a face (J per 1 000 faces)"
        names = " + ".join(sensor.sensor for sensor in self.sensors)
        return f"{self.watts:.1f} W{cost} (whole machine: {names})"


@dataclass(frozen=True)
class MachineReport:
    """What the machine did meanwhile.

    Attributes:
        energy: What it used.
        clocks: How fast it ran.
    """

    energy: EnergyReport
    clocks: ClockReport


class MachineWatch:
    """Samples energy and clocks in a thread of its own; use it as a context manager around what is measured.

    Args:
        root: Where ``sys`` is.
        nvml: The GPUs, entered by the caller; None looks for them, which may take a moment.
        interval_s: Time between two samples.
    """

    def __init__(self, root: Path = Path("/"), nvml: Nvml | None = None, interval_s: float = _INTERVAL_S) -> None:
        self._root = root
        self._nvml = nvml
        self._entered = ExitStack()
        self._interval_s = interval_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="fsrfer-machine", daemon=True)
        self._started_s = 0.0
        self._seconds = 0.0
        self._report: MachineReport | None = None
        self._lock = threading.Lock()

    @property
    def report(self) -> MachineReport:
        """What was seen.

        Raises:
            ValueError: The watch is still on.
        """
        if self._report is None:
            raise ValueError("the machine is still being watched")
        return self._report

    def joules(self) -> float | None:
        """Read the sensors, and return the energy since the watch was entered; None where nothing tells."""
        with self._lock:
            self._read_sensors()
            readings = [sensor.joules for sensor in self._survey.sensors]
        known = [joules for joules in readings if joules is not None]
        return sum(known) if readings and len(known) == len(readings) else None

    def __enter__(self) -> MachineWatch:
        nvml = self._entered.enter_context(Nvml()) if self._nvml is None else self._nvml
        self._survey = find_sensors(self._root, nvml)
        self._clocks = ClockWatch(self._root, nvml)
        self._started_s = time.monotonic()
        self._advance()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._advance()
        self._seconds = time.monotonic() - self._started_s
        self._report = MachineReport(self._energy(), self._clocks.report())
        self._entered.close()

    def _sample(self) -> None:
        while not self._ended.wait(self._interval_s):
            self._advance()

    def _advance(self) -> None:
        with self._lock:
            self._read_sensors()
            self._clocks.advance()

    def _read_sensors(self) -> None:
        now_s = time.monotonic()
        for sensor in self._survey.sensors:
            sensor.advance(now_s)

    def _energy(self) -> EnergyReport:
        readings = [(sensor.name, sensor.joules) for sensor in self._survey.sensors]
        lost = [name for name, joules in readings if joules is None]
        if lost:  # a sum without one of its parts would be too small
            return EnergyReport(self._seconds, (), f"{', '.join(lost)} could not be read throughout")
        found = tuple(SensorEnergy(name, joules) for name, joules in readings if joules is not None)
        return EnergyReport(self._seconds, found, self._survey.problem)
