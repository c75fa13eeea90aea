"""Graphs optimised once by ONNX Runtime for the CPU at hand, so that loading them does no work.

The file holds the layout that ONNX Runtime chose for this CPU's vector units. Saving one level less would be portable,
and half as slow again for FP32: the layout cannot be chosen when such a file is loaded without optimisation.
"""

from __future__ import annotations

from pathlib import Path

from ..core.bundle import ArtifactKind
from ..core.errors import EngineBuildError
from ..core.options import Precision
from ..runtime.engine_record import cpu_name
from ..runtime.onnxruntime_runner import (
    CPU_PROVIDER,
    OnnxRuntimeRunner,
    SessionOptions,
    import_onnxruntime,
    keep_int8_exact,
)
from .engine_compiler import BuildDetails, OnProgress
from .engine_config import EngineBuildConfig
from .graph_reading import GraphReading, read_by_onnx


class OnnxRuntimeCompiler:
    """Compiles by ONNX Runtime for the CPU of this machine.

    Raises:
        MissingDependencyError: ONNX Runtime is not installed.
    """

    file_suffix = ".onnx"

    def __init__(self) -> None:
        self._ort = import_onnxruntime()

    @property
    def library_version(self) -> str:
        """Version of ONNX Runtime."""
        return str(self._ort.__version__)

    def device(self, config: EngineBuildConfig) -> str:  # noqa: ARG002 - the same for all configurations
        """Return the name of this machine's CPU."""
        return cpu_name()

    def compute_capabilities(self, config: EngineBuildConfig) -> tuple[str, ...]:  # noqa: ARG002
        """Return nothing: a CPU has none."""
        return ()

    def source(self, config: EngineBuildConfig) -> ArtifactKind:
        """Return the FP32 graph, or the INT8 graph for CPUs."""
        return ArtifactKind.ONNX_INT8_CPU if config.precision is Precision.INT8 else ArtifactKind.ONNX_FP32

    def read(self, graph: Path, config: EngineBuildConfig) -> GraphReading:  # noqa: ARG002 - it serves any batch
        """Load a graph without keeping anything.

        Raises:
            EngineBuildError: ONNX Runtime or ONNX's checker refuses it.
            MissingDependencyError: ``onnx``, which lists the nodes, is not installed.
        """
        with OnnxRuntimeRunner(graph):
            pass
        return read_by_onnx(graph, None, f"ONNX Runtime {self.library_version}")

    def compile(
        self,
        graph: Path,
        engine: Path,
        config: EngineBuildConfig,  # noqa: ARG002 - the seam's signature
        on_progress: OnProgress | None,
    ) -> BuildDetails:
        """Optimise a graph and save it.

        Raises:
            EngineBuildError: ONNX Runtime cannot load the graph.
        """
        if on_progress is not None:
            on_progress("Optimising the graph", 0, 1)
        options = self._ort.SessionOptions()
        keep_int8_exact(options)
        options.graph_optimization_level = self._ort.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.optimized_model_filepath = str(engine)
        options.log_severity_level = 3
        with OnnxRuntimeRunner(graph):  # a graph that cannot be loaded is explained here
            pass
        self._ort.InferenceSession(str(graph), options, providers=[CPU_PROVIDER])
        if not engine.is_file():
            raise EngineBuildError(f"ONNX Runtime wrote no optimised form of {graph}")
        with OnnxRuntimeRunner(engine, SessionOptions(optimize=False)):  # the way that it will be loaded
            pass
        if on_progress is not None:
            on_progress("Optimising the graph", 1, 1)
        return BuildDetails()
