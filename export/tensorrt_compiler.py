"""Graphs compiled by TensorRT or TensorRT-RTX."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..calibration.onnx_packages import import_onnx
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
from .graph_reading import GraphReading
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

    def read(self, graph: Path, config: EngineBuildConfig) -> GraphReading:
        """Parse a graph and configure its build, without compiling.

        Raises:
            EngineBuildError: TensorRT refuses the graph or the options.
        """
        _builder, network, _configuration, _log = self._prepare(graph, config)
        tensors = [network.get_input(index) for index in range(network.num_inputs)]
        layers, number_formats = self._api.count_layers(network)
        return GraphReading(
            parser=self._api.name,
            inputs={tensor.name: _described(tensor) for tensor in tensors},
            profiles=_profile_shapes(network, config.batch),
            layers=layers,
            number_formats=number_formats,
        )

    def compile(
        self, graph: Path, engine: Path, config: EngineBuildConfig, on_progress: OnProgress | None
    ) -> BuildDetails:
        """Parse and compile a graph.

        Raises:
            EngineBuildError: TensorRT refuses the graph or cannot compile it.
            MissingDependencyError: The engine is INT8, and ``onnx``, which tells what became of it, is not installed.
        """
        # Before compiling, which may take minutes, only to find that `onnx` is missing.
        quantized = import_onnx().load(graph) if config.precision is Precision.INT8 else None
        builder, network, builder_config, log = self._prepare(graph, config)
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
            inspection=self._api.inspect(
                plan, log, version_compatible=config.version_compatible, dla_core=config.dla_core
            ),
            int8=account_for_int8(quantized, layers) if quantized is not None and layers else None,
            on_dla=on_dla,
            not_on_dla=not_on_dla,
        )

    def _prepare(self, graph: Path, config: EngineBuildConfig) -> tuple[Any, Any, Any, TensorRtLog]:
        """Return a builder, the parsed network, the builder's configuration and the log of all three."""
        log = TensorRtLog(self._api.trt)
        builder = self._api.trt.Builder(log.trt_logger)
        network = self._api.create_network(builder)
        self._parse(graph, network, log)
        return builder, network, self._configure(builder, network, config), log

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
    for name, shapes in _profile_shapes(network, batch).items():
        profile.set_shape(name, *shapes)
    return profile


def _profile_shapes(network: Any, batch: BatchProfile) -> dict[str, tuple[tuple[int, ...], ...]]:
    shapes = {}
    for index in range(network.num_inputs):
        tensor = network.get_input(index)
        rest = tuple(int(length) for length in tuple(tensor.shape)[1:])
        if tensor.shape[0] != -1 or -1 in rest:
            raise EngineBuildError(
                f"the input {tensor.name} cannot be batched",
                expected="a free first axis, and no other one",
                found=str(tuple(tensor.shape)),
                fix="fsrfer-export onnx",
            )
        shapes[str(tensor.name)] = tuple((length, *rest) for length in (batch.min, batch.opt, batch.max))
    return shapes


def _described(tensor: Any) -> str:
    axes = ("N" if length == -1 else str(length) for length in tuple(tensor.shape))
    return f"{tensor.dtype.name.lower()} ({', '.join(axes)})"


def _use_timing_cache(builder_config: Any, path: Path) -> None:
    data = path.read_bytes() if path.is_file() else b""
    cache = builder_config.create_timing_cache(data)
    if not builder_config.set_timing_cache(cache, False):
        raise EngineBuildError(
            f"the timing cache {path} is of another device or version", fix="delete it, or name another file"
        )
