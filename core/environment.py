"""What machine a figure was measured on, and what a bug report needs to say.

Nothing heavy is imported and no probe fails: what is not there is None.
"""

from __future__ import annotations

import json
import platform
import re
from dataclasses import dataclass
from pathlib import Path

from .gpu import Gpu, survey_gpus
from .processor import Processor, read_processor
from .provenance import package_version
from .readings import read_fields, read_text

PACKAGES = (
    "fsrfer",
    "numpy",
    "opencv-python-headless",
    "opencv-python",
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
    "av",
    "onnxruntime",
    "onnxruntime-gpu",
    "onnx",
    "onnxscript",
    "torch",
    "safetensors",
    "tensorrt",
    "tensorrt-rtx",
    "matplotlib",
)
"""Distributions whose versions are recorded."""


@dataclass(frozen=True)
class Jetson:
    """A Jetson board.

    Attributes:
        model: Its name.
        l4t: Release of its Linux for Tegra, ``36.4.3``; None where it does not say.
        power_mode: Number of its ``nvpmodel`` mode, which bounds the clocks; None where it does not say.
    """

    model: str
    l4t: str | None
    power_mode: str | None


@dataclass(frozen=True)
class Environment:
    """A machine and what is installed on it.

    Attributes:
        system: Name and version of the operating system.
        kernel: Release of the kernel.
        machine: Architecture, ``x86_64`` or ``aarch64``.
        processor: The processor, and how much of it may be used.
        memory_bytes: Memory of the machine; None where the kernel does not say.
        python: Version of Python.
        packages: Version of every installed distribution among :data:`PACKAGES`.
        gpus: NVIDIA GPUs in the driver's order.
        gpu_problem: Why there are none; None where there are.
        driver_cuda: Newest CUDA that the driver serves.
        cuda_toolkit: Version of the CUDA toolkit in ``/usr/local/cuda``.
        jetson: The board; None on other machines.
        driver_version: Version of the NVIDIA driver; None where NVML does not tell.
    """

    system: str
    kernel: str
    machine: str
    processor: Processor
    memory_bytes: int | None
    python: str
    packages: dict[str, str]
    gpus: tuple[Gpu, ...]
    gpu_problem: str | None
    driver_cuda: str | None
    cuda_toolkit: str | None
    jetson: Jetson | None
    driver_version: str | None = None


def read_environment(root: Path = Path("/")) -> Environment:
    """Describe this machine.

    Args:
        root: Where ``proc``, ``sys``, ``etc`` and ``usr`` are.
    """
    survey = survey_gpus()
    versions = {name: package_version(name) for name in PACKAGES}
    return Environment(
        system=_system(root),
        kernel=platform.release(),
        machine=platform.machine(),
        processor=read_processor(root),
        memory_bytes=_memory_bytes(root),
        python=platform.python_version(),
        packages={name: version for name, version in versions.items() if version is not None},
        gpus=survey.gpus,
        gpu_problem=survey.problem,
        driver_cuda=survey.cuda_version,
        cuda_toolkit=_cuda_toolkit(root),
        jetson=_jetson(root),
        driver_version=survey.driver_version,
    )


def _system(root: Path) -> str:
    release = read_text(root / "etc/os-release") or ""
    name = re.search(r'^PRETTY_NAME="?([^"\n]+)', release, re.MULTILINE)
    return name.group(1) if name else platform.system()


def _memory_bytes(root: Path) -> int | None:
    kibibytes = read_fields(root / "proc/meminfo").get("MemTotal", "").partition(" ")[0]
    return int(kibibytes) * 1024 if kibibytes.isdecimal() else None


def _cuda_toolkit(root: Path) -> str | None:
    try:
        version = json.loads(read_text(root / "usr/local/cuda/version.json") or "{}")["cuda"]["version"]
    except (ValueError, KeyError, TypeError):
        return None
    return str(version)


def _jetson(root: Path) -> Jetson | None:
    model = read_text(root / "proc/device-tree/model")
    release = read_text(root / "etc/nv_tegra_release")
    if release is None and not (model is not None and "jetson" in model.lower()):
        return None
    # The file reads `# R36 (release), REVISION: 4.3, ...`.
    numbers = re.search(r"R(\d+)\b.*?REVISION:\s*([\d.]+)", release or "")
    mode = read_fields(root / "var/lib/nvpmodel/status").get("pmode")
    return Jetson(model or "unknown", f"{numbers.group(1)}.{numbers.group(2)}" if numbers else None, mode)
