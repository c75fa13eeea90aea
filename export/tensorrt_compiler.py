"""Graphs compiled by TensorRT or TensorRT-RTX."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..core.bundle import ArtifactKind
from ..core.errors import EngineBuildError
from ..core.files import write_bytes
from ..core.gpu import Gpu
from ..core.options import Backend, Precision
from ..runtime.engine_record import BatchProfile
from ..runtime.tensorrt_module import TensorRtLog
from .engine_compiler import BuildDetails, OnProgress
from .engine_config import PORTABLE_COMPUTE_CAPABILITIES, EngineBuildConfig
from .engine_layers import account_for_int8, parse_layers
from .tensorrt_api import TensorRtApi, load_tensorrt

_MIB = 1 << 20


class TensorRtCompiler:
    """Compiles by TensorRT for the GPU of this machine, or by TensorRT-RTX for GPUs that need not be there.

    Args:
        api: The library.
    """

    file_suffix = ".engine"

    def __init__(self, api: TensorRtApi) -> None:
        self._api = api

    @classmethod
    def load(cls, backend: Backend) -> TensorRtCompiler:
        """Load the library.

        Raises:
            BackendUnavailableError: It needs a GPU, and there is none.
            MissingDependencyError: It is not installed.
        """
        return cls(load_tensorrt(backend))

    @property
    def library_version(self) -> str:
        """Version of the library."""
        return self._api.version

    def device(self, config: EngineBuildConfig) -> str:  # noqa: ARG002 - the same for all configurations
        """Return the name of this machine's GPU, or ``portable``."""
        device = self._api.device
        return device.name if isinstance(device, Gpu) and not self._api.cross_compiles else "portable"

    def compute_capabilities(self, config: EngineBuildConfig) -> tuple[str, ...]:
        """Return the compute capabilities that were asked for, or that of this machine's GPU."""
        device = self._api.device
        if self._api.cross_compiles or not isinstance(device, Gpu):
            return config.compute_capabilities or PORTABLE_COMPUTE_CAPABILITIES
        # An engine for all GPUs from Ampere on is checked by TensorRT when it is loaded.
        return () if config.hardware_compatible else (device.compute_capability,)

    def source(self, config: EngineBuildConfig) -> ArtifactKind:
        """Return the graph of the precision; before strong typing, FP16 is a flag on the FP32 graph."""
        if config.precision is Precision.INT8:
            return ArtifactKind.ONNX_INT8_TENSORRT
        if config.precision is Precision.FP16 and self._api.strongly_typed:
            return ArtifactKind.ONNX_FP16
        if config.precision is Precision.BF16:
            return self._api.bfloat16_graph()
        return ArtifactKind.ONNX_FP32

    def compile(
        self, graph: Path, engine: Path, config: EngineBuildConfig, on_progress: OnProgress | None
    ) -> BuildDetails:
        """Parse and compile a graph.

        Raises:
            EngineBuildError: TensorRT refuses the graph or cannot compile it.
        """
        trt = self._api.trt
        log = TensorRtLog(trt)
        builder = trt.Builder(log.trt_logger)
        network = self._api.create_network(builder)
        self._parse(graph, network, log)
        builder_config = self._configure(builder, network, config)
        on_dla, not_on_dla = self._api.dla_layers(builder_config, network) if config.dla_core is not None else ((), ())
        monitor = self._api.watch(builder_config, on_progress) if on_progress is not None else None
        plan = builder.build_serialized_network(network, builder_config)
        del monitor  # TensorRT holds no reference of its own to it
        if plan is None:
            raise EngineBuildError(
                f"{self._api.name} cannot compile {graph}",
                found=log.reason,
                fix="FSRFER_LOG=info shows all that TensorRT says",
            )
        engine.write_bytes(memoryview(plan))
        if config.timing_cache is not None:
            write_bytes(config.timing_cache, memoryview(builder_config.get_timing_cache().serialize()).tobytes())
        layers = parse_layers(log.layers)
        return BuildDetails(
            layers=layers,
            inspection=self._api.inspect(plan, log),
            int8=account_for_int8(graph, layers) if config.precision is Precision.INT8 and layers else None,
            on_dla=on_dla,
            not_on_dla=not_on_dla,
        )

    def _parse(self, graph: Path, network: Any, log: TensorRtLog) -> None:
        parser = self._api.trt.OnnxParser(network, log.trt_logger)
        if not parser.parse_from_file(str(graph)):
            problems = [self._api.describe_error(parser.get_error(index)) for index in range(parser.num_errors)]
            raise EngineBuildError(
                f"{self._api.name} cannot parse {graph}",
                found="; ".join(problems[:3]) or log.reason,
                fix="make the graph again by the command that made it; fsrfer-export inspect shows what is in it",
            )

    def _configure(self, builder: Any, network: Any, config: EngineBuildConfig) -> Any:
        trt = self._api.trt
        builder_config = builder.create_builder_config()
        self._api.allow_precision(builder_config, config.precision)
        builder_config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED  # names for inspector and profiler
        if config.strip_weights:
            self._api.strip_weights(builder_config)
        if config.dla_core is not None:
            self._api.use_dla(builder, builder_config, config.dla_core, gpu_fallback=config.gpu_fallback)
        builder_config.add_optimization_profile(_profile(builder, network, config.batch))
        if config.workspace_mib is not None:
            builder_config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, config.workspace_mib * _MIB)
        if config.optimization_level is not None:
            builder_config.builder_optimization_level = config.optimization_level
        if self._api.cross_compiles:
            self._api.set_compute_capabilities(builder_config, self.compute_capabilities(config))
        if config.hardware_compatible:
            builder_config.hardware_compatibility_level = trt.HardwareCompatibilityLevel.AMPERE_PLUS
        if config.version_compatible:
            builder_config.set_flag(trt.BuilderFlag.VERSION_COMPATIBLE)
        if config.timing_cache is not None:
            _use_timing_cache(builder_config, config.timing_cache)
        return builder_config


def _profile(builder: Any, network: Any, batch: BatchProfile) -> Any:
    profile = builder.create_optimization_profile()
    for index in range(network.num_inputs):
        tensor = network.get_input(index)
        rest = tuple(tensor.shape)[1:]
        if tensor.shape[0] != -1 or -1 in rest:
            raise EngineBuildError(
                f"the input {tensor.name} cannot be batched",
                expected="a free first axis, and no other one",
                found=str(tuple(tensor.shape)),
                fix="fsrfer-export onnx",
            )
        profile.set_shape(tensor.name, *((length, *rest) for length in (batch.min, batch.opt, batch.max)))
    return profile


def _use_timing_cache(builder_config: Any, path: Path) -> None:
    data = path.read_bytes() if path.is_file() else b""
    cache = builder_config.create_timing_cache(data)
    if not builder_config.set_timing_cache(cache, False):
        raise EngineBuildError(
            f"the timing cache {path} is of another device or version", fix="delete it, or name another file"
        )
