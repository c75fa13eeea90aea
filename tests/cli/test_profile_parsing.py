"""What profiles say about the machine."""

from __future__ import annotations

from fsrfer.cli.profile_parsing import describe_watch
from fsrfer.runtime.profiling.clocks import ClockReport
from fsrfer.runtime.profiling.interference import Interference
from fsrfer.runtime.profiling.machine_watch import EnergyReport, MachineReport, SensorEnergy

CLOCKS = ClockReport(None, None, None, None, None, None, ())
QUIET = Interference(0.0, 0.0, 1.0)


def test_a_quiet_machine_tells_its_power_alone():
    energy = EnergyReport(2.0, (SensorEnergy("RAPL package-0", 30.0),), None)
    assert list(describe_watch(QUIET, MachineReport(energy, CLOCKS))) == [
        "power of the machine: 15.0 W (whole machine: RAPL package-0)"
    ]


def test_brakes_and_other_programs_are_warned_of():
    throttled = ClockReport(None, None, None, None, None, 3, ("cpufreq-cpu0",))
    lines = list(
        describe_watch(Interference(1.5, 0.0, 0.0), MachineReport(EnergyReport(1.0, (), "no sensor"), throttled))
    )
    assert lines[0] == "power of the machine: not measured (no sensor)"
    assert "held down: cpufreq-cpu0" in lines[1]
    assert "1.50 cores busy" in lines[2]


def test_files_that_lack_both_say_nothing():
    assert list(describe_watch(None, None)) == []
