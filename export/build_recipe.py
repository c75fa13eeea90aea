"""A build written down for the machine that can do it.

TensorRT compiles on the device that will run the engine. Whoever prepares a model elsewhere writes a recipe beside the
graph: what is to be built, from exactly which file, and the commands that do it, with fsrfer on the device or with
``trtexec``, which every JetPack has.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..calibration.onnx_packages import import_onnx
from ..calibration.quantization_plan import tensor_shapes
from ..core.bundle import ArtifactKind, ModelBundle
from ..core.errors import EngineBuildError, UsageError
from ..core.files import write_json
from ..core.options import Backend, Precision
from ..core.provenance import installed_versions
from ..core.schema import to_mapping
from ..runtime.engine_record import BatchProfile
from .engine_config import EngineBuildConfig

if TYPE_CHECKING:
    import onnx

SCHEMA_VERSION = 2
GRAPHS = {
    Precision.FP32: ArtifactKind.ONNX_FP32,
    Precision.FP16: ArtifactKind.ONNX_FP16,
    Precision.BF16: ArtifactKind.ONNX_BF16,
    Precision.INT8: ArtifactKind.ONNX_INT8_TENSORRT,
}
"""Which graph each precision is built from, by TensorRT 10 and later."""
_GRAPHS_8_6 = {**GRAPHS, Precision.FP16: ArtifactKind.ONNX_FP32}
_FLAGS_8_6: dict[Precision, tuple[str, ...]] = {
    Precision.FP32: (),
    Precision.FP16: ("--fp16",),
    Precision.INT8: ("--int8",),
}
_MAX_OPSET_OF_8_6 = 17


@dataclass(frozen=True)
class BuildRecipe:
    """What to build, where it can be built.

    Attributes:
        model: Name of the model.
        precision: Number format.
        graph: The graph's path in the bundle.
        graph_sha256: Its hash; a recipe is for this file and no other.
        opset: Operator set of the graph.
        profiles: Smallest, optimal and largest shape of each input.
        fsrfer: Command that builds it with fsrfer, from the folder that holds the bundle.
        trtexec: Command that builds it with TensorRT's own tool, from 10.0 on, from inside the bundle.
        graph_8_6: The graph for TensorRT 8.6 (JetPack 6.0), which takes FP16 from a flag and not from the graph; None
            where that version cannot read the graph, or lacks an option that was asked for.
        graph_8_6_sha256: Its hash.
        trtexec_8_6: Command that builds it with TensorRT 8.6.
        versions: Versions of the packages that wrote the recipe.
        schema_version: Version of this layout.
    """

    model: str
    precision: Precision
    graph: str
    graph_sha256: str
    opset: int
    profiles: dict[str, tuple[tuple[int, ...], ...]]
    fsrfer: str
    trtexec: str
    graph_8_6: str | None
    graph_8_6_sha256: str | None
    trtexec_8_6: str | None
    versions: dict[str, str]
    schema_version: int = SCHEMA_VERSION

    def write(self, path: Path) -> None:
        """Write the recipe as JSON, atomically."""
        write_json(path, to_mapping(self))


def plan_recipe(bundle: ModelBundle, config: EngineBuildConfig, *, output: Path | None = None) -> BuildRecipe:
    """Write a build down; no TensorRT is needed.

    Args:
        bundle: The bundle.
        config: What to build.
        output: Path of the engine on the device; None for the bundle's folder of engines.

    Raises:
        UsageError: The backend needs no recipe: it builds without a GPU.
        BundleError: The bundle has no graph of this precision.
        EngineBuildError: The graph has free axes beside the batch.
        MissingDependencyError: ``onnx`` is not installed.
    """
    if config.backend is not Backend.TENSORRT:
        raise UsageError(
            f"{config.backend.value} needs no recipe: it builds here", expected="--backend tensorrt with --plan-only"
        )
    graph, sha256, model = _load(bundle, GRAPHS[config.precision])
    profiles = graph_profiles(model, config.batch)
    engine = str(output or f"engines/tensorrt-{config.precision.value}.engine")
    oldest = _for_8_6(bundle, config, engine) or (None, None, None)
    return BuildRecipe(
        model=bundle.manifest.name,
        precision=config.precision,
        graph=graph,
        graph_sha256=sha256,
        opset=_opset(model),
        profiles=profiles,
        fsrfer=config.command(Path(bundle.path.name), output),
        trtexec=_trtexec(graph, engine, profiles, config, ("--stronglyTyped",)),
        graph_8_6=oldest[0],
        graph_8_6_sha256=oldest[1],
        trtexec_8_6=oldest[2],
        versions=installed_versions(),
    )


def _load(bundle: ModelBundle, kind: ArtifactKind) -> tuple[str, str, onnx.ModelProto]:
    """Return the name of a graph in the bundle, its hash and its content."""
    path = bundle.artifact_path(kind)
    return path.name, bundle.manifest.artifacts[kind.value].sha256, import_onnx().load(path)


def _opset(model: onnx.ModelProto) -> int:
    return next(int(entry.version) for entry in model.opset_import if entry.domain == "")


def _for_8_6(bundle: ModelBundle, config: EngineBuildConfig, engine: str) -> tuple[str, str, str] | None:
    """Return graph, hash and command for TensorRT 8.6; None where it cannot build this."""
    flags = _FLAGS_8_6.get(config.precision)
    if flags is None or config.strip_weights:  # it has neither bfloat16 graphs nor engines without weights
        return None
    graph, sha256, model = _load(bundle, _GRAPHS_8_6[config.precision])
    if _opset(model) > _MAX_OPSET_OF_8_6:
        return None
    return graph, sha256, _trtexec(graph, engine, graph_profiles(model, config.batch), config, flags)


def graph_profiles(model: onnx.ModelProto, batch: BatchProfile) -> dict[str, tuple[tuple[int, ...], ...]]:
    """Return the smallest, optimal and largest shape of each input of a graph.

    Args:
        model: The graph.
        batch: Batch sizes to serve.

    Raises:
        EngineBuildError: The graph has free axes beside the batch, or a fixed batch.
    """
    shapes = tensor_shapes(model)
    weights = {tensor.name for tensor in model.graph.initializer}
    profiles = {}
    for info in model.graph.input:
        if info.name in weights:
            continue
        first, *rest = shapes[info.name]
        if first != -1 or -1 in rest:
            raise EngineBuildError(
                f"the input {info.name} cannot be batched",
                expected="a free first axis, and no other one",
                found=str(shapes[info.name]),
                fix="fsrfer-export onnx",
            )
        profiles[info.name] = tuple((length, *rest) for length in (batch.min, batch.opt, batch.max))
    return profiles


def _trtexec(
    graph: str,
    engine: str,
    profiles: dict[str, tuple[tuple[int, ...], ...]],
    config: EngineBuildConfig,
    typing: tuple[str, ...],
) -> str:
    """Return a command line of trtexec; ``typing`` says where number formats come from."""
    words = ["trtexec", f"--onnx={graph}", f"--saveEngine={engine}"]
    for position, option in enumerate(("minShapes", "optShapes", "maxShapes")):
        shapes = (f"{name}:{'x'.join(map(str, shape[position]))}" for name, shape in profiles.items())
        words.append(f"--{option}={','.join(shapes)}")
    return shlex.join([*words, *typing, *_options(config)])


def _options(config: EngineBuildConfig) -> list[str]:
    given: list[tuple[str, Any]] = [
        ("--memPoolSize=workspace:{}M", config.workspace_mib),
        ("--builderOptimizationLevel={}", config.optimization_level),
        ("--timingCacheFile={}", config.timing_cache),
        ("--useDLACore={}", config.dla_core),
    ]
    words = [text.format(value) for text, value in given if value is not None]
    words += ["--allowGPUFallback"] * config.gpu_fallback
    words += ["--hardwareCompatibilityLevel=ampere+"] * config.hardware_compatible
    words += ["--versionCompatible"] * config.version_compatible
    words += ["--stripWeights"] * config.strip_weights
    return words
