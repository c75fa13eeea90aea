"""Energy of things that take turns, on a processor whose counter the test moves on."""

from __future__ import annotations

import pytest

from fsrfer.runtime.profiling.energy_shares import EnergyShares
from fsrfer.runtime.profiling.machine_watch import MachineWatch
from fsrfer.runtime.profiling.nvml import Nvml


def no_library(name):
    raise OSError(name)


class Counter:
    """A processor package that tells its energy."""

    def __init__(self, root) -> None:
        folder = root / "sys/class/powercap/intel-rapl:0"
        folder.mkdir(parents=True)
        (folder / "name").write_text("package-0\n")
        self._file = folder / "energy_uj"
        self._microjoules = 5_000_000
        self.use(0.0)

    def use(self, joules: float) -> None:
        self._microjoules += round(1e6 * joules)
        self._file.write_text(f"{self._microjoules}\n")

    def vanish(self) -> None:
        self._file.unlink()


def test_each_thing_pays_for_its_own_turns(tmp_path):
    counter = Counter(tmp_path)
    with Nvml(no_library) as nvml, MachineWatch(tmp_path, nvml, interval_s=60.0) as watch:
        shares = EnergyShares(watch)
        for _ in range(2):
            with shares.turn_of("cheap"):
                counter.use(1.0)
            counter.use(50.0)  # between turns: nobody's
            with shares.turn_of("dear"):
                counter.use(4.0)
    assert shares.per_thousand("cheap", 100) == pytest.approx(20.0)
    assert shares.per_thousand("dear", 100) == pytest.approx(80.0)
    assert shares.per_thousand("another", 100) is None
    assert watch.report.energy.joules == pytest.approx(110.0)


def test_where_nothing_tells_there_is_no_energy(tmp_path):
    with Nvml(no_library) as nvml, MachineWatch(tmp_path, nvml, interval_s=60.0) as watch:
        shares = EnergyShares(watch)
        with shares.turn_of("row"):
            pass
    assert shares.per_thousand("row", 100) is None


def test_a_counter_that_is_lost_once_leaves_no_sum(tmp_path):
    counter = Counter(tmp_path)
    with Nvml(no_library) as nvml, MachineWatch(tmp_path, nvml, interval_s=60.0) as watch:
        shares = EnergyShares(watch)
        with shares.turn_of("row"):
            counter.use(1.0)
        counter.vanish()
        with shares.turn_of("row"):
            pass
    assert shares.per_thousand("row", 100) is None
