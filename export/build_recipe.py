"""A build written down for the machine that can do it.

TensorRT compiles on the device that will run the engine. Whoever prepares a model elsewhere writes a recipe beside the
graph: what is to be built, from exactly which file, and the commands that do it, with fsrfer on the device or with
``trtexec``, which every JetPack has.
"""

from __future__ import annotations

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
from .engine_config import EngineBuildConfig

if TYPE_CHECKING:
    import onnx

SCHEMA_VERSION = 1
_GRAPHS = {
    Precision.FP32: ArtifactKind.ONNX_FP32,
    Precision.FP16: ArtifactKind.ONNX_FP16,
    Precision.BF16: ArtifactKind.ONNX_BF16,
    Precision.INT8: ArtifactKind.ONNX_INT8_TENSORRT,
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
        trtexec_8_6: The same for TensorRT 8.6 (JetPack 6.0); None where that cannot read the graph.
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
    trtexec_8_6: str | None
    versions: dict[str, str]
    schema_version: int = SCHEMA_VERSION

    def write(self, path: Path) -> None:
        """Write the recipe as JSON, atomically."""
        write_json(path, to_mapping(self))


def plan_recipe(bundle: ModelBundle, config: EngineBuildConfig) -> BuildRecipe:
    """Write a build down; no TensorRT is needed.

    Args:
        bundle: The bundle.
        config: What to build.

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
    kind = _GRAPHS[config.precision]
    path = bundle.artifact_path(kind)
    model = import_onnx().load(path)
    profiles = _profiles(model, config)
    opset = next(entry.version for entry in model.opset_import if entry.domain == "")
    engine = f"engines/tensorrt-{config.precision.value}.engine"
    return BuildRecipe(
        model=bundle.manifest.name,
        precision=config.precision,
        graph=path.name,
        graph_sha256=bundle.manifest.artifacts[kind.value].sha256,
        opset=opset,
        profiles=profiles,
        fsrfer=config.command(Path(bundle.path.name)),
        trtexec=_trtexec(path.name, engine, profiles, config, strong=True),
        trtexec_8_6=_trtexec(path.name, engine, profiles, config, strong=False) if opset <= _MAX_OPSET_OF_8_6 else None,
        versions=installed_versions(),
    )


def _profiles(model: onnx.ModelProto, config: EngineBuildConfig) -> dict[str, tuple[tuple[int, ...], ...]]:
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
        batch = config.batch
        profiles[info.name] = tuple((length, *rest) for length in (batch.min, batch.opt, batch.max))
    return profiles


def _trtexec(
    graph: str,
    engine: str,
    profiles: dict[str, tuple[tuple[int, ...], ...]],
    config: EngineBuildConfig,
    *,
    strong: bool,
) -> str:
    words = ["trtexec", f"--onnx={graph}", f"--saveEngine={engine}"]
    for position, option in enumerate(("minShapes", "optShapes", "maxShapes")):
        shapes = (f"{name}:{'x'.join(map(str, shape[position]))}" for name, shape in profiles.items())
        words.append(f"--{option}={','.join(shapes)}")
    if strong and config.backend is Backend.TENSORRT:
        words.append("--stronglyTyped")
    if not strong:
        words += {Precision.FP32: [], Precision.FP16: ["--fp16"], Precision.INT8: ["--int8", "--fp16"]}[
            config.precision
        ]
    words += _options(config)
    return " ".join(words)


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
