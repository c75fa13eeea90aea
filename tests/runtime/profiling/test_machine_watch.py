"""Energy and clocks of a machine, from files and from a GPU's library."""

from __future__ import annotations

import ctypes
import time

import pytest

from fsrfer.runtime.profiling.clocks import ClockWatch
from fsrfer.runtime.profiling.machine_watch import EnergyReport, MachineWatch, SensorEnergy
from fsrfer.runtime.profiling.nvml import Nvml
from fsrfer.runtime.profiling.power import find_sensors


def no_library(name):
    raise OSError(f"{name}: cannot open shared object file")


class NvmlOfAGpu:
    """NVML's C functions for one GPU, as the "NVML API Reference Guide" has them; it fills what pointers point to."""

    def __init__(self, *, has_energy=True, reasons=0):
        self._has_energy = has_energy
        self._reasons = reasons
        self._energy_mj = 1_000
        self.is_shut = False

    def nvmlInit_v2(self):  # noqa: N802 (NVML's name)
        return 0

    def nvmlShutdown(self):  # noqa: N802
        self.is_shut = True
        return 0

    def nvmlDeviceGetCount_v2(self, count):  # noqa: N802
        count._obj.value = 1
        return 0

    def nvmlDeviceGetHandleByIndex_v2(self, index, handle):  # noqa: N802
        handle._obj.value = 7
        return 0

    def nvmlDeviceGetName(self, handle, name, length):  # noqa: N802
        name.value = b"NVIDIA T4"
        return 0

    def nvmlDeviceGetTotalEnergyConsumption(self, handle, energy):  # noqa: N802
        if not self._has_energy:
            return 3  # NVML_ERROR_NOT_SUPPORTED
        self._energy_mj += 2_500
        energy._obj.value = self._energy_mj
        return 0

    def nvmlDeviceGetPowerUsage(self, handle, power):  # noqa: N802
        power._obj.value = 40_000
        return 0

    def nvmlDeviceGetClockInfo(self, handle, kind, clock):  # noqa: N802
        clock._obj.value = 1590
        return 0

    def nvmlDeviceGetCurrentClocksThrottleReasons(self, handle, reasons):  # noqa: N802
        assert isinstance(reasons._obj, ctypes.c_ulonglong)
        reasons._obj.value = self._reasons
        return 0


def test_gpus_count_beside_the_processor(tmp_path):
    library = NvmlOfAGpu()
    with Nvml(lambda name: library) as nvml:
        (sensor,) = find_sensors(tmp_path, nvml).sensors
        sensor.advance(0.0)
        sensor.advance(1.0)
        assert sensor.name == "NVML GPU 0 (NVIDIA T4)"
        assert sensor.joules == pytest.approx(2.5)
    assert library.is_shut


def test_a_gpu_without_a_counter_of_energy_tells_its_power(tmp_path):
    with Nvml(lambda name: NvmlOfAGpu(has_energy=False)) as nvml:
        (sensor,) = find_sensors(tmp_path, nvml).sensors
        sensor.advance(0.0)
        sensor.advance(3.0)
        assert sensor.joules == pytest.approx(120.0)


class OlderDriver:
    """A library without some functions: ctypes raises AttributeError for them."""

    def __init__(self, library, *missing):
        self._library, self._missing = library, missing

    def __getattr__(self, name):
        if name in self._missing:
            raise AttributeError(name)
        return getattr(self._library, name)


def test_a_driver_without_a_function_tells_nothing_about_it(tmp_path):
    missing = (
        *("nvmlDeviceGetTotalEnergyConsumption", "nvmlDeviceGetPowerUsage"),
        "nvmlDeviceGetCurrentClocksThrottleReasons",
    )
    with Nvml(lambda name: OlderDriver(NvmlOfAGpu(reasons=0x40), *missing)) as nvml:
        assert find_sensors(tmp_path, nvml).sensors == ()
        assert nvml.gpus[0].slowdowns() == ()
        assert nvml.gpus[0].clock_mhz() == 1590.0


def test_a_machine_without_a_driver_has_no_gpu():
    with Nvml(no_library) as nvml:
        assert nvml.gpus == ()


def test_clocks_temperatures_and_brakes_are_read(tmp_path):
    files = {
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "1200000",
        "sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq": "2400000",
        "sys/devices/system/cpu/cpu1/cpufreq/scaling_cur_freq": "2400000",
        "sys/devices/system/cpu/cpu1/cpufreq/cpuinfo_max_freq": "2400000",
        "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count": "5",
        "sys/class/thermal/thermal_zone0/temp": "71500",
        "sys/class/thermal/cooling_device0/type": "pwm-fan",
        "sys/class/thermal/cooling_device0/cur_state": "3",
        "sys/class/thermal/cooling_device1/type": "cpufreq-cpu0",
        "sys/class/thermal/cooling_device1/cur_state": "0",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    watch = ClockWatch(tmp_path)
    watch.advance()
    report = watch.report()
    assert (report.cpu_mean_mhz, report.cpu_min_mhz, report.cpu_max_mhz) == (1800.0, 1200.0, 2400.0)
    assert (report.hottest_c, report.throttle_events, report.brakes) == (71.5, 0, ())
    assert not report.is_throttled
    (tmp_path / "sys/class/thermal/cooling_device1/cur_state").write_text("2\n")
    (tmp_path / "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count").write_text("9\n")
    watch.advance()
    report = watch.report()
    assert (report.throttle_events, report.brakes) == (4, ("cpufreq-cpu0",))
    assert report.is_throttled


def test_a_gpu_says_why_it_is_slow_and_idling_is_no_reason(tmp_path):
    with Nvml(lambda name: NvmlOfAGpu(reasons=0x1 | 0x40)) as nvml:
        watch = ClockWatch(tmp_path, nvml)
        watch.advance()
        report = watch.report()
    assert report.brakes == ("GPU 0: heat (hardware)",)
    assert report.gpu_mean_mhz == 1590.0


def test_what_a_machine_does_not_tell_is_never_zero(tmp_path):
    with MachineWatch(tmp_path, Nvml(no_library), interval_s=0.01) as watch:
        time.sleep(0.03)
    energy, clocks = watch.report.energy, watch.report.clocks
    assert energy.joules is None
    assert energy.watts is None
    assert energy.joules_per(10) is None
    assert energy.describe(10) == "not measured (no RAPL, INA3221 or NVML sensor)"
    assert clocks.cpu_mean_mhz is None
    assert clocks.throttle_events is None


def test_energy_of_a_while_is_told_by_face(tmp_path):
    folder = tmp_path / "sys/class/powercap/intel-rapl:0"
    folder.mkdir(parents=True)
    (folder / "name").write_text("package-0\n")
    (folder / "energy_uj").write_text("1000000\n")
    with MachineWatch(tmp_path, Nvml(no_library), interval_s=0.01) as watch:
        (folder / "energy_uj").write_text("31000000\n")
        time.sleep(0.05)
        with pytest.raises(ValueError, match="still"):
            _ = watch.report
    energy = watch.report.energy
    assert energy.joules == pytest.approx(30.0)
    assert energy.joules_per(600, of=1000) == pytest.approx(50.0)
    assert "50.0 mJ a face" in energy.describe(600)
    assert "RAPL package-0" in energy.describe(600)


def test_energy_without_faces_has_no_cost_of_a_face():
    report = EnergyReport(2.0, (SensorEnergy("RAPL package-0", 10.0),), None)
    assert report.joules_per(0) is None
    assert report.describe(0) == "5.0 W (whole machine: RAPL package-0)"


def test_a_jetsons_gpu_tells_its_clock_without_nvml(tmp_path):
    for device, hertz in (("17000000.gpu", 918_000_000), ("13e00000.vic", 115_200_000)):
        folder = tmp_path / "sys/class/devfreq" / device
        folder.mkdir(parents=True)
        (folder / "cur_freq").write_text(f"{hertz}\n")
    watch = ClockWatch(tmp_path)
    watch.advance()
    assert watch.report().gpu_mean_mhz == 918.0
