"""What a build would do: the graph is parsed and the build configured, and nothing is compiled or written."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..core.bundle import ArtifactKind, ModelBundle
from ..core.errors import BackendUnavailableError, MissingDependencyError
from ..core.options import Backend, Precision
from .build_engine import EnginePlan, check_current, compiler_for, plan_engine
from .build_recipe import GRAPHS
from .engine_config import EngineBuildConfig
from .graph_reading import GraphReading, read_by_onnx


@dataclass(frozen=True)
class DryRun:
    """What a build would do.

    Attributes:
        graph: The graph that would be compiled.
        reading: What is in it.
        plan: What would come of it; None where the library that compiles is not here.
        unchecked: Why that library has not read the graph; empty where it has.
    """

    graph: Path
    reading: GraphReading
    plan: EnginePlan | None
    unchecked: str = ""


def dry_run(bundle: ModelBundle, config: EngineBuildConfig, *, output: Path | None = None) -> DryRun:
    """Parse the graph of a build and configure the build, without compiling.

    Where full TensorRT is not here, TensorRT-RTX parses the graph in its stead if that is installed; else ``onnx``
    checks it. The result says so.

    Args:
        bundle: The bundle.
        config: What would be built.
        output: Another path for the engine.

    Raises:
        BundleError: The bundle has no graph of this precision, or a stale one.
        EngineBuildError: The graph or the options are refused.
        MissingDependencyError: ``onnx`` is not installed, where it has to read the graph.
    """
    try:
        compiler = compiler_for(config.backend)
    except (BackendUnavailableError, MissingDependencyError) as problem:
        source = _source(config)
        graph = bundle.artifact_path(source)
        check_current(bundle, source)
        return DryRun(graph, _read_otherwise(graph, config), None, str(problem))
    plan = plan_engine(bundle, config, compiler, output=output)
    return DryRun(plan.graph, compiler.read(plan.graph, config), plan)


def _read_otherwise(graph: Path, config: EngineBuildConfig) -> GraphReading:
    if config.backend is Backend.TENSORRT:
        with suppress(MissingDependencyError):
            stand_in = compiler_for(Backend.TENSORRT_RTX)
            return stand_in.read(graph, EngineBuildConfig(Backend.TENSORRT_RTX, config.precision, config.batch))
    return read_by_onnx(graph, None if config.backend is Backend.ONNXRUNTIME else config.batch)


def _source(config: EngineBuildConfig) -> ArtifactKind:
    """Return the graph that the newest version of a library takes."""
    if config.backend is Backend.ONNXRUNTIME and config.precision is Precision.INT8:
        return ArtifactKind.ONNX_INT8_CPU
    return GRAPHS[config.precision]
