"""Which commands work on this machine, and what mends those that do not."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from ..core.environment import Environment, read_environment
from ..core.errors import DetectorError
from .detection.weights import FETCH_COMMAND, find_detector_weights
from .installation import (
    MediaSupport,
    ProviderState,
    package_conflicts,
    probe_media,
    probe_providers,
    thread_warnings,
)

SCHEMA_VERSION = 1

_COMMANDS = {
    "fsrfer-train fit": ("torch", "safetensors", "tensorboard"),
    "fsrfer-export onnx": ("torch", "safetensors", "onnx", "onnxscript", "onnxruntime"),
    "fsrfer-export verify": ("onnxruntime", "onnx"),
    "fsrfer-calibrate int8": ("onnx", "onnxruntime"),
    "fsrfer-export build-engine --backend onnxruntime": ("onnxruntime",),
    "fsrfer-export build-engine --backend tensorrt": ("tensorrt",),
    "fsrfer-export build-engine --backend tensorrt-rtx": ("tensorrt_rtx",),
    "fsrfer-run": ("onnxruntime",),
    "fsrfer-run --backend tensorrt": ("tensorrt",),
    "fsrfer-run --backend triton://HOST/MODEL": ("onnxruntime", "tritonclient"),
    "fsrfer-profile": ("onnxruntime",),
    "fsrfer-export report": ("matplotlib", "jinja2"),
    "fsrfer-export triton": ("onnx", "tritonclient"),
}
_NEEDS_GPU = frozenset({"fsrfer-export build-engine --backend tensorrt", "fsrfer-run --backend tensorrt"})
_NEEDS_DETECTOR = frozenset({"fsrfer-run", "fsrfer-run --backend tensorrt", "fsrfer-run --backend triton://HOST/MODEL"})
_FIX_ON_JETSON = {
    "tensorrt": "apt-get install python3-libnvinfer, in an environment made with --system-site-packages",
}
"""What comes with JetPack and not from pip."""
_EXTRA_OF = {
    "torch": "train",
    "safetensors": "train",
    "tensorboard": "train",
    "onnx": "export",
    "onnxscript": "export",
    "tensorrt": "tensorrt",
    "tensorrt_rtx": "tensorrt-rtx",
    "matplotlib": "report",
    "jinja2": "report",
    "tritonclient": "triton",
}


@dataclass(frozen=True)
class Readiness:
    """Whether a command works here.

    Attributes:
        command: What the user types.
        ready: Nothing is missing.
        missing: What it still needs.
        fix: What brings that; None where nothing is missing.
    """

    command: str
    ready: bool
    missing: tuple[str, ...] = ()
    fix: str | None = None


@dataclass(frozen=True)
class Diagnosis:
    """What this machine has and what it lacks.

    Attributes:
        environment: The machine and its packages.
        commands: Each command and whether it works.
        providers: ONNX Runtime's execution providers.
        media: What the video libraries can do.
        detector_weights: Path of RetinaFace's weights; None where they were not fetched yet.
        warnings: What works, but not as its user believes; one sentence each.
        schema_version: Version of this layout.
    """

    environment: Environment
    commands: tuple[Readiness, ...]
    providers: tuple[ProviderState, ...]
    media: MediaSupport
    detector_weights: str | None
    warnings: tuple[str, ...]
    schema_version: int = SCHEMA_VERSION


def diagnose(search_path: Sequence[str] | None = None) -> Diagnosis:
    """Examine this machine; takes about a second and changes nothing.

    Args:
        search_path: Folders of installed distributions to look for conflicts in; None for those of this Python.
    """
    environment = read_environment()
    providers = probe_providers()
    weights = _detector_weights()

    def is_installed(module: str) -> bool:
        # What is left of an uninstalled onnxruntime can still be imported, and does nothing.
        return bool(providers) if module == "onnxruntime" else find_spec(module) is not None

    return Diagnosis(
        environment=environment,
        commands=command_readiness(
            is_installed,
            has_gpu=bool(environment.gpus),
            has_detector=weights is not None,
            is_jetson=environment.jetson is not None,
        ),
        providers=providers,
        media=probe_media(),
        detector_weights=None if weights is None else str(weights),
        warnings=(
            *package_conflicts(search_path),
            *thread_warnings(environment.processor, os.environ.get("OMP_NUM_THREADS")),
        ),
    )


def command_readiness(
    is_installed: Callable[[str], bool], *, has_gpu: bool, has_detector: bool, is_jetson: bool = False
) -> tuple[Readiness, ...]:
    """Tell which commands work.

    Args:
        is_installed: Tells whether a module can be imported.
        has_gpu: Whether there is an NVIDIA GPU.
        has_detector: Whether the detector's weights are here.
        is_jetson: Whether this is a Jetson, where TensorRT comes with JetPack.
    """
    return tuple(
        _readiness(
            command,
            [module for module in modules if not is_installed(module)],
            onnxruntime_extra="gpu" if has_gpu else "cpu",
            lacks_gpu=command in _NEEDS_GPU and not has_gpu,
            lacks_detector=command in _NEEDS_DETECTOR and not has_detector,
            is_jetson=is_jetson,
        )
        for command, modules in _COMMANDS.items()
    )


def _readiness(
    command: str,
    modules: list[str],
    *,
    onnxruntime_extra: str,
    lacks_gpu: bool,
    lacks_detector: bool,
    is_jetson: bool,
) -> Readiness:
    missing, fixes = list(modules), []
    if lacks_gpu:
        missing.append("an NVIDIA GPU")
        fixes.append("run it on the GPU machine or Jetson")
    of_jetpack = [_FIX_ON_JETSON[module] for module in modules if is_jetson and module in _FIX_ON_JETSON]
    fixes += of_jetpack
    if len(modules) > len(of_jetpack):
        of_pip = [module for module in modules if not (is_jetson and module in _FIX_ON_JETSON)]
        extras = dict.fromkeys(_EXTRA_OF.get(module, onnxruntime_extra) for module in of_pip)
        fixes.append(f"pip install 'fsrfer[{','.join(extras)}]'")
    if lacks_detector:
        missing.append("RetinaFace's weights")
        fixes.append(FETCH_COMMAND)
    return Readiness(command, not missing, tuple(missing), ", then ".join(fixes) or None)


def _detector_weights() -> Path | None:
    try:
        return find_detector_weights()
    except DetectorError:
        return None
