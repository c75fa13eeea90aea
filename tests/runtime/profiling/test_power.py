"""Sensors of energy, in folders laid out as kernels lay them out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsrfer.runtime.profiling.power import CounterSensor, PowerSensor, find_sensors


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
    return root


def zone(folder: str, name: str, energy_uj: int, range_uj: int = 262_143_328_850) -> dict[str, str]:
    base = f"sys/class/powercap/{folder}"
    return {
        f"{base}/name": name,
        f"{base}/energy_uj": str(energy_uj),
        f"{base}/max_energy_range_uj": str(range_uj),
    }


def server(root: Path) -> Path:
    """A processor with the parts that RAPL tells apart, and what covers them once more."""
    files = {
        **zone("intel-rapl:0", "package-0", 5_000_000),
        **zone("intel-rapl:0:0", "core", 3_000_000),
        **zone("intel-rapl:0:1", "dram", 1_000_000),
        **zone("intel-rapl:1", "psys", 9_000_000),
        **zone("intel-rapl-mmio:0", "package-0", 5_000_000),
    }
    return write(root, files)


def jetson_orin(root: Path) -> Path:
    base = "sys/bus/i2c/devices/1-0040"
    rails = {1: ("VDD_IN", 5000, 2000), 2: ("VDD_CPU_GPU_CV", 5000, 700), 3: ("VDD_SOC", 5000, 400)}
    files = {f"{base}/name": "ina3221", f"{base}/hwmon/hwmon3/in7_label": "sum of shunt voltages"}
    for number, (label, millivolts, milliamperes) in rails.items():
        files[f"{base}/hwmon/hwmon3/in{number}_label"] = label
        files[f"{base}/hwmon/hwmon3/in{number}_input"] = str(millivolts)
        files[f"{base}/hwmon/hwmon3/curr{number}_input"] = str(milliamperes)
    return write(root, files)


def joules_after(root: Path, change, seconds: float = 2.0) -> dict[str, float | None]:
    sensors = find_sensors(root).sensors
    for sensor in sensors:
        sensor.advance(0.0)
    change()
    for sensor in sensors:
        sensor.advance(seconds)
    return {sensor.name: sensor.joules for sensor in sensors}


def test_packages_and_memory_count_and_neither_their_parts_nor_what_covers_them(tmp_path):
    root = server(tmp_path)

    def change():
        write(root, {**zone("intel-rapl:0", "package-0", 65_000_000), **zone("intel-rapl:0:1", "dram", 4_500_000)})

    found = joules_after(root, change)
    assert found == {"RAPL package-0": pytest.approx(60.0), "RAPL dram of package-0": pytest.approx(3.5)}


def test_a_counter_that_starts_anew_loses_nothing(tmp_path):
    root = write(tmp_path, zone("intel-rapl:0", "package-0", 99_000_000, 100_000_000))
    found = joules_after(root, lambda: write(root, zone("intel-rapl:0", "package-0", 2_000_000, 100_000_000)))
    assert found == {"RAPL package-0": pytest.approx(3.0)}


def test_a_jetson_counts_its_whole_board_once(tmp_path):
    assert joules_after(jetson_orin(tmp_path), lambda: None) == {"INA3221 VDD_IN": pytest.approx(20.0)}


def test_the_rails_of_a_jetson_without_a_common_one_add_up(tmp_path):
    base = "sys/bus/i2c/devices/1-0040"
    files = {f"{base}/name": "ina3221x"}
    for number, (rail, milliwatts) in enumerate((("GPU", 1500), ("CPU", 500), ("NC", 9999))):
        files[f"{base}/iio:device0/rail_name_{number}"] = rail
        files[f"{base}/iio:device0/in_power{number}_input"] = str(milliwatts)
    found = joules_after(write(tmp_path, files), lambda: None)
    assert found == {"INA3221 CPU": pytest.approx(1.0), "INA3221 GPU": pytest.approx(3.0)}


def test_a_machine_that_tells_nothing_says_so(tmp_path):
    survey = find_sensors(tmp_path)
    assert survey.sensors == ()
    assert "no RAPL" in survey.problem


@pytest.mark.skipif(os.geteuid() != 0, reason="a file that nobody may read takes another user")
def test_counters_of_root_are_named_as_the_reason(tmp_path):
    root = server(tmp_path)
    for path in root.glob("sys/class/powercap/*/energy_uj"):
        path.unlink()
        path.mkdir()  # which root itself cannot read as a file
    survey = find_sensors(root)
    assert survey.sensors == ()
    assert "only root" in survey.problem


def test_a_sensor_that_fails_on_the_way_gives_no_figure():
    for readings in ([1.0, None, 5.0], [None, 2.0, 3.0]):
        for sensor in (
            CounterSensor("counter", iter(readings).__next__, 10.0),
            PowerSensor("power", iter(readings).__next__),
        ):
            for second in range(3):
                sensor.advance(float(second))
            assert sensor.joules is None


def test_one_sample_is_no_energy():
    sensor = PowerSensor("power", lambda: 3.0)
    sensor.advance(0.0)
    assert sensor.joules is None


@settings(deadline=None)
@given(st.lists(st.integers(0, 90), min_size=1, max_size=30), st.integers(0, 99))
def test_a_counter_adds_up_all_steps(steps, start):
    values, total = [start], start
    for step in steps:
        total += step
        values.append(total % 100)
    sensor = CounterSensor("counter", iter([float(value) for value in values]).__next__, 100.0)
    for index in range(len(values)):
        sensor.advance(float(index))
    assert sensor.joules == pytest.approx(sum(steps))


@settings(deadline=None)
@given(st.floats(0, 100), st.floats(0, 100), st.floats(0.01, 10))
def test_power_that_rises_evenly_is_summed_exactly(first, last, seconds):
    sensor = PowerSensor("power", iter([first, (first + last) / 2, last]).__next__)
    for moment in (0.0, seconds / 2, seconds):
        sensor.advance(moment)
    assert sensor.joules == pytest.approx(seconds * (first + last) / 2)
