"""How much of the processor may be used."""

from __future__ import annotations

import pytest

from fsrfer.core.processor import Processor, may_saturate_int8, read_processor


@pytest.fixture
def write(tmp_path):
    def write_file(path: str, text: str) -> None:
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    return write_file


def test_without_control_groups_there_is_no_quota(tmp_path):
    assert read_processor(tmp_path).quota_cores is None


def test_a_quota_of_version_2(tmp_path, write):
    write("proc/self/cgroup", "0::/\n")
    write("sys/fs/cgroup/cpu.max", "150000 100000\n")
    assert read_processor(tmp_path).quota_cores == 1.5


def test_no_limit_of_version_2(tmp_path, write):
    write("proc/self/cgroup", "0::/\n")
    write("sys/fs/cgroup/cpu.max", "max 100000\n")
    assert read_processor(tmp_path).quota_cores is None


def test_the_strictest_group_around_the_process_counts(tmp_path, write):
    write("proc/self/cgroup", "0::/pods/one\n")
    write("sys/fs/cgroup/pods/one/cpu.max", "400000 100000\n")
    write("sys/fs/cgroup/pods/cpu.max", "200000 100000\n")
    assert read_processor(tmp_path).quota_cores == 2.0


@pytest.mark.parametrize(("quota", "expected"), [("50000", 0.5), ("-1", None)])
def test_a_quota_of_version_1(tmp_path, write, quota, expected):
    write("proc/self/cgroup", "3:cpu,cpuacct:/docker/abc\n2:memory:/\n")  # the path of the host, absent in here
    write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", f"{quota}\n")
    write("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n")
    assert read_processor(tmp_path).quota_cores == expected


def test_hyper_threads_are_not_counted_as_cores(tmp_path, write):
    for cpu, core in enumerate((0, 1, 0, 1)):
        write(f"sys/devices/system/cpu/cpu{cpu}/topology/core_id", f"{core}\n")
        write(f"sys/devices/system/cpu/cpu{cpu}/topology/physical_package_id", "0\n")
    assert read_processor(tmp_path).physical_cores == 2


def test_an_arm_processor_is_named_by_its_numbers(tmp_path, write):
    write("proc/cpuinfo", "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd42\n")
    assert read_processor(tmp_path).model == "Arm implementer 0x41 part 0xd42"


def test_the_smaller_of_affinity_and_quota_is_usable():
    assert Processor(None, 8, 16, 4, None, None).usable_cores == 4
    assert Processor(None, 8, 16, 4, 1.5, None).usable_cores == 1.5
    assert Processor(None, 8, 16, 4, 6.0, None).usable_cores == 4


@pytest.mark.parametrize(
    ("cpuinfo", "may_saturate"),
    [
        ("flags\t: fpu avx2 avx512f\n", True),
        ("flags\t: fpu avx2 avx512f avx512_vnni\n", False),
        ("flags\t: fpu avx2 avx_vnni\n", False),
        ("CPU implementer\t: 0x41\nCPU part\t: 0xd42\n", False),
        ("", True),
    ],
)
def test_int8_saturates_on_x86_without_vnni(tmp_path, write, cpuinfo, may_saturate):
    write("proc/cpuinfo", cpuinfo)
    assert may_saturate_int8(tmp_path) is may_saturate
