"""What a user may choose about a model repository."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from ...core.errors import UsageError
from ...core.options import Precision

_MAX_BATCH = 4096
_LONGEST_MS = 60_000.0
_BUDGET_MS = 500.0


class TritonBackend(str, Enum):
    """What runs the model inside Triton."""

    PYTHON = "python"
    """ONNX Runtime on the server's CPU, through Triton's Python backend."""

    ONNXRUNTIME = "onnxruntime"
    """Triton's ONNX Runtime backend on a GPU, which compiles the graph with TensorRT when it loads it."""

    TENSORRT = "tensorrt"
    """An engine that was built for the server's GPU."""


_PRECISIONS = {
    TritonBackend.PYTHON: (Precision.FP32, Precision.INT8),
    TritonBackend.ONNXRUNTIME: (Precision.FP32, Precision.FP16, Precision.INT8),
    TritonBackend.TENSORRT: tuple(Precision),
}


@dataclass(frozen=True)
class TritonOptions:
    """How a model is to be served.

    Attributes:
        backend: What runs it.
        precision: Number format, which chooses the bundle's graph or engine.
        name: Name of the model on the server; None for that of the bundle.
        max_batch: Most faces in one run; the largest batch of an engine counts where that is smaller.
        instances: Copies of the model that run side by side, on each GPU or on the CPU.
        threads: Threads of each instance on a CPU; None for one a physical core.
        latency_budget_ms: Longest time that a request may take on the server, in milliseconds: batches follow from
            it with a profile, and limits of the queue with or without one. None for 500. Where it is for neither, it is
            refused.
        queue_limits: Let the server reject what waits for too long, and what comes while too much waits. Off, because
            releases of Triton before core#509 (July 2026; 2.51 among them) now and then leave requests in a limited
            queue for half a second; clients bound the queue by their deadlines.
        queue_delay_us: Longest time that a request waits for company, in microseconds; None derives it from a
            profile, and without one waits for none.

    Raises:
        UsageError: A value is out of range, or does not belong to the backend.
    """

    backend: TritonBackend = TritonBackend.PYTHON
    precision: Precision = Precision.FP32
    name: str | None = None
    max_batch: int = 64
    instances: int = 1
    threads: int | None = None
    latency_budget_ms: float | None = None
    queue_limits: bool = False
    queue_delay_us: int | None = None

    @property
    def budget_ms(self) -> float:
        """The latency budget in milliseconds, given or not."""
        return _BUDGET_MS if self.latency_budget_ms is None else self.latency_budget_ms

    def __post_init__(self) -> None:
        if self.precision not in _PRECISIONS[self.backend]:
            raise UsageError(
                f"the {self.backend.value} backend does not serve {self.precision.value}",
                expected="--precision " + ", ".join(precision.value for precision in _PRECISIONS[self.backend]),
                found=self.precision.value,
            )
        if self.name is not None and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}", self.name):
            raise UsageError(
                "impossible name of a model", expected="letters, digits, and _ . - behind the first", found=self.name
            )
        if self.threads is not None and self.backend is not TritonBackend.PYTHON:
            raise UsageError("--threads is for a CPU", expected="--backend python with it", found=self.backend.value)
        threads = 1 if self.threads is None else self.threads
        delay_us = 0 if self.queue_delay_us is None else self.queue_delay_us
        if not (
            1 <= self.max_batch <= _MAX_BATCH
            and 1 <= self.instances <= 64
            and 1 <= threads <= 1024
            and 1.0 <= self.budget_ms <= _LONGEST_MS
            and 0 <= delay_us <= 1000 * (self.latency_budget_ms or _LONGEST_MS)
        ):
            raise UsageError(
                "impossible way to serve",
                expected=f"--max-batch to {_MAX_BATCH}, --instances to 64, --threads to 1024, --latency-budget-ms "
                f"from 1 to {_LONGEST_MS:g}, --queue-delay-us within the latency budget, where there is one",
                found=f"{self.max_batch}, {self.instances}, {threads}, {self.budget_ms:g}, {delay_us}",
            )
