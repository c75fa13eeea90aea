"""Every difference between the TensorRT versions, in one place.

TensorRT 8.6, 10.x, 11.x and TensorRT-RTX share one Python API but for what is here. Differences are found by looking
for the attribute, not by comparing version numbers: vendors' builds carry odd ones.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from ..core.bundle import ArtifactKind
from ..core.errors import BackendUnavailableError, EngineBuildError
from ..core.gpu import Gpu, first_gpu
from ..core.options import Backend, Precision
from ..runtime.tensorrt_module import TensorRtLog, create_runtime, import_tensorrt
from .engine_compiler import OnProgress

GUARDED = frozenset(
    {
        "BuilderFlag.FP16",
        "BuilderFlag.INT8",
        "BuilderFlag.STRIP_PLAN",
        "ComputeCapability",
        "IBuilderConfig.num_compute_capabilities",
        "IBuilderConfig.progress_monitor",
        "IBuilderConfig.set_compute_capability",
        "IProgressMonitor",
        "NetworkDefinitionCreationFlag.EXPLICIT_BATCH",
        "NetworkDefinitionCreationFlag.STRONGLY_TYPED",
        "ParserError.node_name",
        "ParserError.node_operator",
    }
)
"""What some versions lack and is looked for before use; everything else that is used exists in all of them."""


class TensorRtApi:
    """A TensorRT module with its version's differences levelled.

    Args:
        module: ``tensorrt`` or ``tensorrt_rtx``.
        device: The GPU of this machine, or why there is none.
    """

    def __init__(self, module: Any, device: Gpu | str) -> None:
        self.trt = module
        self.device = device

    @property
    def version(self) -> str:
        """Version of the library."""
        return str(self.trt.__version__)

    @property
    def name(self) -> str:
        """Name and version of the library, for messages."""
        return f"{'TensorRT-RTX' if self.cross_compiles else 'TensorRT'} {self.version}"

    @property
    def strongly_typed(self) -> bool:
        """Whether number formats come from the graph (10.0 and later); else flags allow them (8.6)."""
        return hasattr(self.trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED")

    @property
    def cross_compiles(self) -> bool:
        """Whether the GPUs to compile for can be chosen, and none need be there (TensorRT-RTX)."""
        return hasattr(self.trt.IBuilderConfig, "set_compute_capability")

    def create_network(self, builder: Any) -> Any:
        """Return an empty network whose types and batch come from the graph."""
        flags = self.trt.NetworkDefinitionCreationFlag
        wanted = [name for name in ("EXPLICIT_BATCH", "STRONGLY_TYPED") if hasattr(flags, name)]
        return builder.create_network(sum(1 << int(getattr(flags, name)) for name in wanted))

    def bfloat16_graph(self) -> ArtifactKind:
        """Return the graph of engines that compute in bfloat16.

        Raises:
            EngineBuildError: This TensorRT takes no number formats from the graph.
        """
        if not self.strongly_typed:
            raise EngineBuildError(
                f"{self.name} does not build bfloat16 engines from a graph",
                expected="TensorRT 10.0 or later",
                fix="--precision fp16",
            )
        return ArtifactKind.ONNX_BF16

    def allow_precision(self, config: Any, precision: Precision) -> None:
        """Set the builder flag of a precision, where the version still needs one."""
        name = {Precision.FP16: "FP16", Precision.INT8: "INT8"}.get(precision)
        if not self.strongly_typed and name is not None:
            config.set_flag(getattr(self.trt.BuilderFlag, name))

    def set_compute_capabilities(self, config: Any, capabilities: tuple[str, ...]) -> None:
        """Choose the GPUs to compile for.

        Raises:
            EngineBuildError: This TensorRT cannot compile for one of them.
        """
        known = self.trt.ComputeCapability
        config.num_compute_capabilities = len(capabilities)
        for position, capability in enumerate(capabilities):
            member = getattr(known, "SM" + capability.replace(".", ""), None)
            if member is None:
                names = sorted((name[2:] for name in dir(known) if name.startswith("SM")), key=int)
                raise EngineBuildError(
                    f"{self.name} cannot compile for compute capability {capability}",
                    expected=", ".join(f"{name[:-1]}.{name[-1]}" for name in names),
                    fix="on a Jetson or a data-centre GPU, build on the device with --backend tensorrt",
                )
            config.set_compute_capability(member, position)

    def strip_weights(self, config: Any) -> None:
        """Leave the weights out of the engine.

        Raises:
            EngineBuildError: This TensorRT cannot.
        """
        if not hasattr(self.trt.BuilderFlag, "STRIP_PLAN"):
            raise EngineBuildError(
                f"{self.name} cannot leave weights out",
                expected="TensorRT 10.0 or later",
                fix="leave --strip-weights out",
            )
        config.set_flag(self.trt.BuilderFlag.STRIP_PLAN)

    def use_dla(self, builder: Any, config: Any, core: int, *, gpu_fallback: bool) -> None:
        """Run on a deep learning accelerator of a Jetson.

        Raises:
            EngineBuildError: This machine has no such accelerator.
        """
        if core >= builder.num_DLA_cores:
            raise EngineBuildError(
                f"there is no accelerator {core} here",
                expected=f"--dla-core below {builder.num_DLA_cores}" if builder.num_DLA_cores else "a Jetson with DLA",
                found=f"{builder.num_DLA_cores} accelerators, {self.name}",
                fix="leave --dla-core out",
            )
        config.default_device_type = self.trt.DeviceType.DLA
        config.DLA_core = core
        if gpu_fallback:
            config.set_flag(self.trt.BuilderFlag.GPU_FALLBACK)

    def dla_layers(self, config: Any, network: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the names of the layers that the accelerator can take, and of those that it cannot."""
        layers = [network.get_layer(index) for index in range(network.num_layers)]
        taken = [bool(config.can_run_on_DLA(layer)) for layer in layers]
        names = [str(layer.name) for layer in layers]
        return (
            tuple(name for name, is_taken in zip(names, taken, strict=True) if is_taken),
            tuple(name for name, is_taken in zip(names, taken, strict=True) if not is_taken),
        )

    def count_layers(self, network: Any) -> tuple[dict[str, int], dict[str, int]]:
        """Return how many layers of a network are of each kind, and of each number format by their first result."""
        layers = [network.get_layer(index) for index in range(network.num_layers)]
        kinds = Counter(str(layer.type.name).lower() for layer in layers)
        formats = Counter(str(layer.get_output(0).dtype.name).lower() for layer in layers if layer.num_outputs)
        return dict(kinds.most_common()), dict(formats.most_common())

    def inspect(
        self, plan: Any, log: TensorRtLog, *, version_compatible: bool = False, dla_core: int | None = None
    ) -> Any:
        """Return the description of an engine's layers, as plain values; None where there is no GPU to load it on.

        Args:
            plan: The serialised engine.
            log: What TensorRT says.
            version_compatible: Whether it was built to run on later versions.
            dla_core: Accelerator that it was built for; None for the GPU.
        """
        if not isinstance(self.device, Gpu):  # without a driver the runtime would end the process
            return None
        runtime = create_runtime(self.trt, log, version_compatible=version_compatible, dla_core=dla_core)
        engine = runtime.deserialize_cuda_engine(plan)
        if engine is None:  # built for other GPUs than this one
            return None
        inspector = engine.create_engine_inspector()
        return json.loads(inspector.get_engine_information(self.trt.LayerInformationFormat.JSON))

    def watch(self, config: Any, on_progress: OnProgress) -> Any:
        """Report the phases of a build, from 10.0 on; return what must be kept until its end."""
        if not hasattr(self.trt, "IProgressMonitor"):
            return None
        monitor = _progress_monitor(self.trt, on_progress)
        config.progress_monitor = monitor
        return monitor

    def describe_error(self, error: Any) -> str:
        """Return node and reason of a parser's error on one line."""
        reason = " ".join(error.desc().split())
        if not hasattr(error, "node_name"):
            return f"node {error.node()}: {reason}"
        return f"{error.node_operator()} {error.node_name()}: {reason}"


def load_tensorrt(backend: Backend) -> TensorRtApi:
    """Import TensorRT, after looking for a driver where it needs one.

    Args:
        backend: ``tensorrt`` or ``tensorrt-rtx``.

    Raises:
        BackendUnavailableError: TensorRT compiles on the GPU that it compiles for, and there is none here.
        MissingDependencyError: The Python package is not installed.
    """
    device = first_gpu()
    if backend is Backend.TENSORRT and isinstance(device, str):
        raise BackendUnavailableError(
            "TensorRT compiles on the GPU that will run the engine",
            expected="an NVIDIA GPU with its driver",
            found=device,
            fix="run this on the Jetson or GPU machine, or build here for desktop GPUs with --backend tensorrt-rtx",
        )
    return TensorRtApi(import_tensorrt(backend), device)


def _progress_monitor(trt: Any, on_progress: OnProgress) -> Any:
    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self._steps: dict[str, int] = {}

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:  # noqa: ARG002
            self._steps[phase_name] = num_steps
            on_progress(phase_name, 0, num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            on_progress(phase_name, step + 1, self._steps[phase_name])
            return True

        def phase_finish(self, phase_name: str) -> None:
            steps = self._steps.pop(phase_name)
            on_progress(phase_name, steps, steps)

    return Monitor()
