"""TensorRT's Python module for running engines, imported in one place, after the driver was asked."""

from __future__ import annotations

import importlib
import logging
from types import ModuleType
from typing import Any

from ..core.errors import BackendUnavailableError, MissingDependencyError
from ..core.gpu import Gpu, first_gpu
from ..core.options import Backend

MODULES = {Backend.TENSORRT: "tensorrt", Backend.TENSORRT_RTX: "tensorrt_rtx"}
_KEPT_ERRORS = 100  # a service that runs for months must not gather them all
_logger = logging.getLogger(__name__)


def load_tensorrt_runtime(backend: Backend) -> tuple[ModuleType, Gpu]:
    """Import the module that runs engines, and return it with this machine's GPU.

    The driver is asked first: without one, TensorRT's runtime is an object whose next call ends the process.

    Args:
        backend: ``tensorrt`` or ``tensorrt-rtx``.

    Raises:
        BackendUnavailableError: There is no GPU here.
        MissingDependencyError: The Python package is not installed.
    """
    device = first_gpu()
    if isinstance(device, str):
        raise BackendUnavailableError(
            f"{backend.value} engines run on a GPU",
            expected="an NVIDIA GPU with its driver",
            found=device,
            fix="use --backend onnxruntime, or run this on the Jetson or GPU machine",
        )
    return import_tensorrt(backend), device


def import_tensorrt(backend: Backend) -> ModuleType:
    """Import TensorRT's module without asking for a GPU: enough to build with TensorRT-RTX, not to run.

    Raises:
        MissingDependencyError: The Python package is not installed.
    """
    try:
        return importlib.import_module(MODULES[backend])
    except ImportError as problem:
        if backend is Backend.TENSORRT_RTX:
            raise MissingDependencyError.for_extra("tensorrt-rtx", "tensorrt-rtx", "TensorRT for RTX GPUs") from problem
        raise MissingDependencyError(
            "TensorRT's Python package is not installed",
            found=str(problem),
            fix="on a Jetson apt-get install python3-libnvinfer, and a virtual environment made with "
            "--system-site-packages; elsewhere pip install 'fsrfer[tensorrt]'",
        ) from problem


class TensorRtLog:
    """What TensorRT said: passed on to :mod:`logging`, errors kept.

    Attributes:
        errors: The latest messages of errors. A failed call returns nothing; why is only here.
        layers: Lines that describe the layers of an engine that was built.
        trt_logger: The object to give to TensorRT.
    """

    def __init__(self, trt: Any) -> None:
        self.errors: list[str] = []
        self.layers: list[str] = []
        self.trt_logger = _log_bridge(trt, self.errors, self.layers)

    @property
    def reason(self) -> str:
        """The latest errors on one line."""
        return "; ".join(self.errors[-3:]) or "no reason given"


def create_runtime(trt: Any, log: TensorRtLog, *, version_compatible: bool = False, dla_core: int | None = None) -> Any:
    """Return TensorRT's runtime, set up for the engine that it is to load; a driver must be there.

    Args:
        trt: The module ``tensorrt`` or ``tensorrt_rtx``.
        log: What TensorRT says.
        version_compatible: Whether the engine brings the code that loads it, which is then trusted.
        dla_core: Deep learning accelerator that the engine was built for; None for the GPU.
    """
    runtime = trt.Runtime(log.trt_logger)
    if version_compatible:
        runtime.engine_host_code_allowed = True
    if dla_core is not None:
        runtime.DLA_core = dla_core  # read when the engine is loaded: its default is another core
    return runtime


def _log_bridge(trt: Any, errors: list[str], layers: list[str]) -> Any:
    severity = trt.ILogger.Severity
    levels = {
        severity.INTERNAL_ERROR: logging.ERROR,
        severity.ERROR: logging.ERROR,
        severity.WARNING: logging.WARNING,
        severity.INFO: logging.INFO,
    }

    class Bridge(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)

        def log(self, severity: Any, message: str) -> None:
            level = levels.get(severity, logging.DEBUG)
            layers.extend(line for line in message.splitlines() if ", LayerType: " in line)
            if level == logging.ERROR:
                errors.append(message.strip())
                del errors[:-_KEPT_ERRORS]
                level = logging.INFO  # the exception carries it; no need to say it twice
            _logger.log(level, "%s", message.strip())

    return Bridge()
