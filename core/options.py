"""The choices that users make by name, parsed once at the edge of the program."""

from __future__ import annotations

from enum import Enum


class Precision(str, Enum):
    """Number format of an engine's arithmetic."""

    FP32 = "fp32"
    FP16 = "fp16"
    BF16 = "bf16"
    INT8 = "int8"

    @property
    def needs_gpu(self) -> bool:
        """Whether ONNX Runtime would compute in float32 instead on a processor."""
        return self in (Precision.FP16, Precision.BF16)


class Backend(str, Enum):
    """Library that executes or compiles a graph."""

    ONNXRUNTIME = "onnxruntime"
    TENSORRT = "tensorrt"
    TENSORRT_RTX = "tensorrt-rtx"


class Arithmetic(str, Enum):
    """Number format of the convolutions while a network is trained; weights and losses stay in float32."""

    FP32 = "fp32"
    BF16 = "bf16"
    """Half the memory traffic; faster where the processor multiplies bfloat16 (AVX512_BF16, AMX, Ampere GPUs)."""


class Provider(str, Enum):
    """Execution provider of ONNX Runtime."""

    CPU = "cpu"
    CUDA = "cuda"
    TENSORRT = "tensorrt"

    @property
    def names(self) -> tuple[str, ...]:
        """What ONNX Runtime calls it, and those that take what it cannot; the first one must really be bound."""
        return _PROVIDERS[self]


_PROVIDERS = {
    Provider.CPU: ("CPUExecutionProvider",),
    Provider.CUDA: ("CUDAExecutionProvider", "CPUExecutionProvider"),
    Provider.TENSORRT: ("TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"),
}
