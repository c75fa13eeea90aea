"""How fast a graph is beside another one, on this machine's processor."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..runtime.onnxruntime_runner import OnnxRuntimeRunner, SessionOptions
from ..runtime.runner import Array

if TYPE_CHECKING:
    import onnx


def speed_ratio(
    graph: onnx.ModelProto, reference: onnx.ModelProto, feed: Mapping[str, Array], *, rounds: int = 40
) -> float:
    """Return how many times as fast as a reference a graph is by ONNX Runtime on one thread.

    Args:
        graph: The graph.
        reference: What it is compared with; it takes the same inputs.
        feed: A batch, by the names of the inputs.
        rounds: Number of runs of both, one after the other; the median of their ratios counts, so that what disturbs
            one pair does not matter.
    """
    options = SessionOptions(threads=1)
    with (
        OnnxRuntimeRunner(graph.SerializeToString(), options) as fast,
        OnnxRuntimeRunner(reference.SerializeToString(), options) as slow,
    ):
        slow.infer(feed)
        fast.infer(feed)
        return statistics.median(_seconds(slow, feed) / _seconds(fast, feed) for _ in range(rounds))


def _seconds(runner: OnnxRuntimeRunner, feed: Mapping[str, Array]) -> float:
    started = time.perf_counter()
    runner.infer(feed)
    return time.perf_counter() - started
