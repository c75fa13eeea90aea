"""What machine a figure was measured on."""

from __future__ import annotations

import json
import sys

import pytest

from fsrfer.core.environment import Environment, Jetson, read_environment
from fsrfer.core.errors import FsrferError
from fsrfer.core.schema import from_mapping, to_mapping


@pytest.fixture
def write(tmp_path):
    def write_file(path: str, text: str) -> None:
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    return write_file


def test_this_machine_is_described():
    environment = read_environment()
    assert environment.python == ".".join(map(str, sys.version_info[:3]))
    assert environment.processor.affinity_cores >= 1
    assert environment.memory_bytes is not None
    assert environment.memory_bytes > 2**27
    assert "numpy" in environment.packages
    assert bool(environment.gpus) == (environment.gpu_problem is None)


def test_it_survives_json():
    environment = read_environment()
    text = json.dumps(to_mapping(environment), allow_nan=False)
    assert from_mapping(Environment, json.loads(text), where="here", error=FsrferError) == environment


def test_a_machine_that_says_nothing_is_no_error(tmp_path):
    environment = read_environment(tmp_path)
    assert environment.memory_bytes is None
    assert environment.cuda_toolkit is None
    assert environment.jetson is None


def test_memory_is_in_bytes(tmp_path, write):
    write("proc/meminfo", "MemTotal:        8000 kB\nMemFree:  1 kB\n")
    assert read_environment(tmp_path).memory_bytes == 8_192_000


def test_a_jetson_is_known_by_its_release(tmp_path, write):
    write("proc/device-tree/model", "NVIDIA Jetson Orin Nano Developer Kit\0")
    write("etc/nv_tegra_release", "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64\n")
    write("var/lib/nvpmodel/status", "pmode:0002\n")
    assert read_environment(tmp_path).jetson == Jetson("NVIDIA Jetson Orin Nano Developer Kit", "36.4.3", "0002")


def test_a_jetson_without_its_release_file_is_known_by_its_name(tmp_path, write):
    write("proc/device-tree/model", "NVIDIA Jetson AGX Orin\0")
    assert read_environment(tmp_path).jetson == Jetson("NVIDIA Jetson AGX Orin", None, None)


def test_another_board_is_no_jetson(tmp_path, write):
    write("proc/device-tree/model", "Raspberry Pi 5 Model B\0")
    assert read_environment(tmp_path).jetson is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [('{"cuda": {"version": "12.6.68"}}', "12.6.68"), ("{}", None), ('{"cuda": 1}', None), ("not JSON", None)],
)
def test_the_cuda_toolkit_says_its_version(tmp_path, write, text, expected):
    write("usr/local/cuda/version.json", text)
    assert read_environment(tmp_path).cuda_toolkit == expected


def test_the_system_is_named_as_it_names_itself(tmp_path, write):
    write("etc/os-release", 'NAME="Ubuntu"\nPRETTY_NAME="Ubuntu 22.04.5 LTS"\n')
    assert read_environment(tmp_path).system == "Ubuntu 22.04.5 LTS"
