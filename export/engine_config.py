"""What engine to build."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

from ..core.errors import UsageError
from ..core.options import Backend, Precision
from ..runtime.engine_record import BatchProfile

PORTABLE_COMPUTE_CAPABILITIES = ("8.0", "8.6", "8.9", "12.0")
"""What TensorRT-RTX compiles for where nothing else is asked for: A100, Ampere, Ada and Blackwell desktops."""


@dataclass(frozen=True)
class EngineBuildConfig:
    """What engine to build.

    Attributes:
        backend: Library that compiles and runs it.
        precision: Number format; which of the bundle's graphs is compiled follows from it.
        batch: Batch sizes to serve; ONNX Runtime serves any and takes no other than the default.
        workspace_mib: Scratch memory that TensorRT may use, in MiB; None for all of the device.
        optimization_level: How long TensorRT searches, 0 to 5; None for its default.
        timing_cache: File in which TensorRT keeps measured kernels from build to build.
        compute_capabilities: For TensorRT-RTX, the GPUs to compile for, such as ``8.6``; empty for a portable choice.
        hardware_compatible: TensorRT: also run on other GPUs from Ampere on, at a loss of speed.
        version_compatible: TensorRT: also run on later versions, at a loss of speed.
        dla_core: TensorRT, FP16: deep learning accelerator of a Jetson to run on; None for the GPU.
        gpu_fallback: TensorRT: run on the GPU what the accelerator cannot.
        strip_weights: TensorRT 10 or later: leave the weights out of the engine; they are put in from the bundle's
            graph when it is loaded.
    """

    backend: Backend
    precision: Precision = Precision.FP32
    batch: BatchProfile = field(default_factory=BatchProfile)
    workspace_mib: int | None = None
    optimization_level: int | None = None
    timing_cache: Path | None = None
    compute_capabilities: tuple[str, ...] = ()
    hardware_compatible: bool = False
    version_compatible: bool = False
    dla_core: int | None = None
    gpu_fallback: bool = False
    strip_weights: bool = False

    def __post_init__(self) -> None:
        _refuse_foreign_options(self)
        if self.workspace_mib is not None and self.workspace_mib < 1:
            raise UsageError("impossible workspace", expected="1 MiB or more", found=self.workspace_mib)
        if self.optimization_level is not None and not 0 <= self.optimization_level <= 5:
            raise UsageError("impossible optimisation level", expected="0 to 5", found=self.optimization_level)
        _check_dla(self)
        for capability in self.compute_capabilities:
            if not re.fullmatch(r"[1-9][0-9]?\.[0-9]", capability):
                raise UsageError("unknown compute capability", expected="such as 8.6", found=capability)

    def command(self, bundle: Path, output: Path | None = None) -> str:
        """Return the command line that builds this engine, quoted for a shell.

        Args:
            bundle: The bundle.
            output: Where the engine goes; None for the bundle's folder of engines.
        """
        words = ["fsrfer-export", "build-engine", str(bundle), "--backend", self.backend.value]
        words += ["--precision", self.precision.value, "--batch", str(self.batch)]
        valued: dict[str, object | None] = {
            "--workspace-mib": self.workspace_mib,
            "--optimization-level": self.optimization_level,
            "--timing-cache": self.timing_cache,
            "--compute-capability": ",".join(self.compute_capabilities) or None,
            "--dla-core": self.dla_core,
            "--output": output,
        }
        for option, value in valued.items():
            words += [] if value is None else [option, str(value)]
        words += ["--hardware-compatible"] * self.hardware_compatible
        words += ["--version-compatible"] * self.version_compatible
        words += ["--gpu-fallback"] * self.gpu_fallback
        words += ["--strip-weights"] * self.strip_weights
        return shlex.join(words)


def _check_dla(config: EngineBuildConfig) -> None:
    if config.gpu_fallback and config.dla_core is None:
        raise UsageError("--gpu-fallback is for engines of an accelerator", expected="--dla-core with it")
    if config.dla_core is None or config.backend is not Backend.TENSORRT:
        return
    if config.dla_core < 0:
        raise UsageError("there is no such accelerator", expected="--dla-core 0 or 1", found=config.dla_core)
    if config.precision is Precision.INT8:
        raise UsageError(
            "the accelerator takes no explicitly quantised (Q/DQ) graph, and INT8 graphs here are such",
            expected="--precision fp16",
            found=config.precision.value,
            fix="--precision fp16, or INT8 on the GPU: leave --dla-core out",
        )
    if config.precision is not Precision.FP16:
        raise UsageError(
            f"the accelerator does not compute in {config.precision.name}",
            expected="--precision fp16",
            found=config.precision.value,
        )
    if config.batch.min != config.batch.max:
        raise UsageError("the accelerator takes one batch size", expected="--batch 16, say", found=str(config.batch))


def _refuse_foreign_options(config: EngineBuildConfig) -> None:
    """Refuse options that another backend has: an option that is silently without effect misleads."""
    if config.backend is Backend.ONNXRUNTIME and config.precision.needs_gpu:
        raise UsageError(
            f"ONNX Runtime has no {config.precision.name} kernels for CPUs; at best it computes in FP32 between casts",
            expected="--precision fp32 or int8",
            found=config.precision.value,
        )
    of_tensorrt_only = {
        "--timing-cache": config.timing_cache is not None,
        "--hardware-compatible": config.hardware_compatible,
        "--version-compatible": config.version_compatible,
        "--dla-core": config.dla_core is not None,
        "--strip-weights": config.strip_weights,
    }
    of_both = {
        "--workspace-mib": config.workspace_mib is not None,
        "--optimization-level": config.optimization_level is not None,
    }
    foreign = {
        Backend.ONNXRUNTIME: {
            **of_tensorrt_only,
            **of_both,
            "--batch (it serves any)": config.batch != BatchProfile(),
            "--compute-capability": bool(config.compute_capabilities),
        },
        Backend.TENSORRT_RTX: of_tensorrt_only,
        Backend.TENSORRT: {"--compute-capability": bool(config.compute_capabilities)},
    }[config.backend]
    given = [option for option, is_given in foreign.items() if is_given]
    if given:
        raise UsageError(f"{config.backend.value} has no {', '.join(given)}", fix="leave it out")
