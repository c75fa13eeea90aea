"""What this machine can do at best: matrix products by ONNX Runtime itself, and copies of memory.

A peak from a data sheet would tell nothing about this clock, this quota and this library. So it is measured, with the
threads of the model and in the same rounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...calibration.onnx_packages import import_onnx
from ...runtime.profiling.layer_report import ArithmeticPeak, CopySpeed
from ...runtime.profiling.timing import Work, timed_streams
from ...runtime.runner import Array

GEMM_SHAPES = ((512, 512, 512), (384, 1152, 384), (4096, 576, 128))
"""Rows, depth and columns: a cube, one that fits a cache of the second level, and one as a convolution makes it."""

COPY_BYTES = (1 << 18, 1 << 20, 1 << 22, 1 << 24, 1 << 26, 1 << 28)
"""Read and written together: from the second-level cache out to the memory."""

FLOAT32, INT8 = "float32", "int8"


def gemm_graph(number_format: str, depth: int, columns: int) -> bytes:
    """Return a graph of one matrix product with a constant right side, ``a`` (rows, depth) to ``y``.

    Args:
        number_format: ``float32``, or ``int8`` for uint8 times int8 summed in int32.
        depth: Columns of the left side.
        columns: Columns of the right side.
    """
    onnx = import_onnx()
    helper, types = onnx.helper, onnx.TensorProto
    rng = np.random.default_rng(0)
    right: Array
    if number_format == FLOAT32:
        operator, left, result = "MatMul", types.FLOAT, types.FLOAT
        right = rng.standard_normal((depth, columns)).astype(np.float32)
    else:
        operator, left, result = "MatMulInteger", types.UINT8, types.INT32
        right = rng.integers(-127, 128, (depth, columns), dtype=np.int8)
    graph = helper.make_graph(
        [helper.make_node(operator, ["a", "b"], ["y"])],
        "product",
        [helper.make_tensor_value_info("a", left, ["rows", depth])],
        [helper.make_tensor_value_info("y", result, ["rows", columns])],
        [onnx.numpy_helper.from_array(right, "b")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    encoded: bytes = model.SerializeToString()
    return encoded


def gemm_feed(number_format: str, rows: int, depth: int) -> dict[str, Array]:
    """Return a left side for :func:`gemm_graph`, uint8 or float32 (rows, depth)."""
    values = np.random.default_rng(1).integers(0, 256, (rows, depth), dtype=np.uint8)
    return {"a": values.astype(np.float32) if number_format == FLOAT32 else values}


def best_peak(
    number_format: str, threads: int, rounds_ms: Sequence[Sequence[npt.NDArray[np.float64]]]
) -> ArithmeticPeak:
    """Return the fastest product: the best shape in its best round, by the median of that round.

    Other work on the machine only ever lowers a rate, and a lucky single run is none.

    Args:
        number_format: Its number format.
        threads: Threads it was computed with.
        rounds_ms: For each of :data:`GEMM_SHAPES`, the runs of each round.
    """
    rates = [
        2e-6 * float(np.prod(shape)) / min(float(np.median(runs)) for runs in rounds)
        for shape, rounds in zip(GEMM_SHAPES, rounds_ms, strict=True)
    ]
    best = int(np.argmax(rates))
    return ArithmeticPeak(number_format, threads, rates[best], GEMM_SHAPES[best])


@dataclass(frozen=True)
class CopyBench:
    """Copies of one size, shared out among threads.

    Attributes:
        threads: How many copy at the same time.
        moved_bytes: What all of them read and write in one go.
    """

    threads: int
    moved_bytes: int

    def works(self) -> list[Work]:
        """Return what each thread does."""
        length = max(1, self.moved_bytes // (2 * self.threads))
        sources = [np.ones(length, np.uint8) for _ in range(self.threads)]
        targets = [np.zeros(length, np.uint8) for _ in range(self.threads)]

        def copying(source: npt.NDArray[np.uint8], target: npt.NDArray[np.uint8]) -> Work:
            return lambda: np.copyto(target, source)

        return [copying(source, target) for source, target in zip(sources, targets, strict=True)]

    def measure(self, seconds: float) -> CopySpeed:
        """Copy for some time; each thread's own pace counts, and they are summed."""
        series = timed_streams(self.works(), seconds=seconds, min_runs=3)
        each = self.moved_bytes / self.threads
        rate = sum(each / (float(np.median(one.latency_ms)) * 1e6) for one in series)
        return CopySpeed(self.threads, self.moved_bytes, rate)


def copy_rate(copies: Sequence[CopySpeed], moved_bytes: int) -> float:
    """Return how fast as many bytes are copied, in billions a second, between the sizes that were measured.

    Args:
        copies: Copies of one number of threads, one or more.
        moved_bytes: Bytes read and written.
    """
    ordered = sorted(copies, key=lambda copy: copy.moved_bytes)
    sizes = np.log([copy.moved_bytes for copy in ordered])
    rates = np.log([copy.gb_per_second for copy in ordered])
    return float(np.exp(np.interp(np.log(max(moved_bytes, 1)), sizes, rates)))
