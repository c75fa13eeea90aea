"""The optional packages of calibration, imported where they are needed."""

from __future__ import annotations

import importlib
from types import ModuleType

from ..core.errors import MissingDependencyError
from ..runtime.onnxruntime_runner import import_onnxruntime


def import_onnx() -> ModuleType:
    """Import ``onnx``.

    Raises:
        MissingDependencyError: It is not installed.
    """
    try:
        return importlib.import_module("onnx")
    except ModuleNotFoundError as problem:
        raise MissingDependencyError.for_extra("onnx", "export", "working on graphs") from problem


def import_quantization(module: str) -> ModuleType:
    """Import a module of ``onnxruntime.quantization``, which needs ``onnx`` too.

    Raises:
        MissingDependencyError: ``onnx`` or ``onnxruntime`` is not installed.
    """
    import_onnx()
    import_onnxruntime()
    return importlib.import_module(f"onnxruntime.quantization.{module}")
