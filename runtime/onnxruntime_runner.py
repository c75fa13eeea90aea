"""Graphs on ONNX Runtime."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

import numpy as np

from ..core.errors import BackendUnavailableError, EngineBuildError, MissingDependencyError
from ..core.processor import may_saturate_int8
from .runner import Array, TensorSpec, check_feed, specs_by_name

CPU_PROVIDER = "CPUExecutionProvider"

_DTYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
    "tensor(bool)": np.bool_,
}


EXACT_INT8 = ("session.x64quantprecision", "1")
"""Session entry without which uint8 times int8 saturates on x86 processors that lack VNNI.

Their instruction adds two products in 16 bits: 255 * 127 * 2 does not fit. On such a processor 7 of 100 decisions of
the model that comes with fsrfer changed (docs/engines.md); with it, weights are turned into uint8, and nothing is lost
but some speed. Where there is VNNI, nothing saturates and it would cost more than half of the speed: it is not set.
"""


@dataclass(frozen=True)
class SessionOptions:
    """How ONNX Runtime executes.

    Attributes:
        providers: Execution providers, most wanted first. The first one must really be bound.
        threads: Threads inside one operator; None lets ONNX Runtime take one a physical core.
        spinning: Let idle threads spin. Faster for back-to-back runs, and wastes a core between camera frames.
        optimize: Run the graph optimiser; off for graphs that were optimised when they were built.
        profile_prefix: Path prefix of an execution trace; None for no trace.
    """

    providers: tuple[str, ...] = (CPU_PROVIDER,)
    threads: int | None = None
    spinning: bool = False
    optimize: bool = True
    profile_prefix: str | None = None


class OnnxRuntimeRunner:
    """Runs an ONNX graph on ONNX Runtime; see :class:`~fsrfer.runtime.runner.Runner` for the contract.

    The session is made at once, so that a graph that cannot be loaded fails here and not at the first camera frame.

    Args:
        model: Path of the graph, or its bytes.
        options: How to execute it.

    Raises:
        MissingDependencyError: ONNX Runtime is not installed.
        BackendUnavailableError: A provider is not part of this ONNX Runtime, or could not be bound: ONNX Runtime
            itself would go on silently on the CPU.
        EngineBuildError: ONNX Runtime cannot load the graph.
    """

    def __init__(self, model: Path | bytes, options: SessionOptions | None = None) -> None:
        self._options = options or SessionOptions()
        self._ort = import_onnxruntime()
        self._session = self._open(model)
        self._inputs = specs_by_name([_spec(node) for node in self._session.get_inputs()])
        self._outputs = specs_by_name([_spec(node) for node in self._session.get_outputs()])

    @property
    def inputs(self) -> Mapping[str, TensorSpec]:
        """The graph's inputs by name."""
        return self._inputs

    @property
    def outputs(self) -> Mapping[str, TensorSpec]:
        """The graph's outputs by name."""
        return self._outputs

    @property
    def serves_threads(self) -> bool:
        """Always: ONNX Runtime's sessions may run side by side."""
        return True

    @property
    def provider(self) -> str:
        """The execution provider that is really bound."""
        return str(self._session.get_providers()[0])

    @property
    def metadata(self) -> dict[str, str]:
        """The graph's ``metadata_props``."""
        return dict(self._session.get_modelmeta().custom_metadata_map)

    def infer(self, feed: Mapping[str, Array]) -> dict[str, Array]:
        """Run the graph; the returned arrays are new."""
        check_feed(feed, self._inputs)
        return dict(zip(self._outputs, self._session.run(None, dict(feed)), strict=True))

    def infer_each(self, feeds: Iterable[Mapping[str, Array]]) -> Iterator[dict[str, Array]]:
        """Run the graph on batch after batch."""
        return map(self.infer, feeds)

    def end_profiling(self) -> Path:
        """Stop tracing and return the path of the trace; only after :attr:`SessionOptions.profile_prefix` was set."""
        return Path(self._session.end_profiling())

    def __enter__(self) -> OnnxRuntimeRunner:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        del self._session  # the only way to make ONNX Runtime join its threads and free its arena

    def _open(self, model: Path | bytes) -> Any:
        self._check_available()
        source = model if isinstance(model, bytes) else str(model)
        try:
            session = self._ort.InferenceSession(
                source, _session_options(self._ort, self._options), providers=list(self._options.providers)
            )
        except _load_errors(self._ort) as problem:
            name = "graph in memory" if isinstance(model, bytes) else str(model)
            raise EngineBuildError(f"ONNX Runtime cannot load {name}", found=str(problem)) from problem
        bound, wanted = session.get_providers()[0], self._options.providers[0]
        if bound != wanted:
            raise BackendUnavailableError(
                f"{wanted} could not be bound",
                found=f"ONNX Runtime fell back to {bound}",
                fix="fsrfer doctor, or ask for the CPU explicitly",
            )
        return session

    def _check_available(self) -> None:
        available = self._ort.get_available_providers()
        absent = [name for name in self._options.providers if name not in available]
        if absent:
            raise BackendUnavailableError(
                f"this ONNX Runtime has no {', '.join(absent)}",
                found=", ".join(available),
                fix="pip uninstall onnxruntime, then pip install 'fsrfer[gpu]'",
            )


def import_onnxruntime() -> ModuleType:
    """Import ONNX Runtime, kept from reporting its use to its makers.

    The environment variable ``ORT_DISABLE_TELEMETRY`` is respected where it is already set.

    Raises:
        MissingDependencyError: Neither ``onnxruntime`` nor ``onnxruntime-gpu`` is (wholly) installed.
    """
    # From 1.29 on, its packages for Linux write a device identifier into the home folder and send usage data as soon
    # as they are imported. What watches people's faces must not call home unless its user says so.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        import onnxruntime
    except ImportError as problem:
        raise MissingDependencyError.for_extra("onnxruntime", "cpu", "inference") from problem
    if not hasattr(onnxruntime, "InferenceSession"):  # what is left when one of the two packages was uninstalled
        raise MissingDependencyError(
            "the installation of onnxruntime is broken",
            expected="exactly one of onnxruntime and onnxruntime-gpu",
            fix="pip uninstall -y onnxruntime onnxruntime-gpu, then pip install 'fsrfer[cpu]' or 'fsrfer[gpu]'",
        )
    module: ModuleType = onnxruntime
    return module


def _session_options(ort: ModuleType, options: SessionOptions) -> Any:
    session_options = ort.SessionOptions()
    session_options.log_severity_level = 3
    if options.threads is not None:
        session_options.intra_op_num_threads = options.threads
    session_options.add_session_config_entry("session.intra_op.allow_spinning", "1" if options.spinning else "0")
    # A plan of its buffers for every shape that comes: it takes 30 MB for a stream, more with every new batch size, and
    # no run is faster with it (docs/run.md).
    session_options.enable_mem_pattern = False
    keep_int8_exact(session_options)
    if not options.optimize:
        session_options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    if options.profile_prefix is not None:
        session_options.enable_profiling = True
        session_options.profile_file_prefix = options.profile_prefix
    return session_options


def keep_int8_exact(session_options: Any) -> None:
    """Set :data:`EXACT_INT8` in ONNX Runtime's ``SessionOptions`` where this processor needs it."""
    if may_saturate_int8():
        session_options.add_session_config_entry(*EXACT_INT8)


def _load_errors(ort: ModuleType) -> tuple[type[Exception], ...]:
    state = ort.capi.onnxruntime_pybind11_state
    names = ("Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf", "NoSuchFile", "NotImplemented")
    return (RuntimeError, ValueError, *(getattr(state, name) for name in names))


def _spec(node: Any) -> TensorSpec:
    shape = tuple(axis if isinstance(axis, int) else None for axis in node.shape)
    return TensorSpec(node.name, np.dtype(_DTYPES[node.type]), shape)
