"""How long a PyTorch network takes once it is an ONNX graph: for networks that have no bundle."""

from __future__ import annotations

import numpy as np
from torch import nn

from ..core.bundle import GraphSpec
from ..core.preprocess import PreprocessSpec
from ..runtime.onnxruntime_runner import OnnxRuntimeRunner, SessionOptions
from ..runtime.profiling.timing import timed_runs, warm_up
from ..runtime.runner import Array
from .fuse import trace

_SECONDS = 1.0


def onnx_latency_ms(network: nn.Module, spec: PreprocessSpec) -> float:
    """Return the median time of one face on one thread of this machine, FP32, ONNX Runtime, in milliseconds.

    Args:
        network: From faces, uint8 (N, C, H, W), and native sizes, float32 (N,), to logits, float32 (N, K).
        spec: Shape of its input.

    Raises:
        EngineBuildError: The network cannot be exported.
    """
    graph = GraphSpec(face_size_input="face_size")
    # It stays on this machine, so it needs no operator set that old TensorRT reads; voting resizes its views.
    model = trace(network, spec, graph, opset=18).SerializeToString()
    faces = np.zeros((1, spec.channels, spec.height, spec.width), np.uint8)
    values: dict[str, Array] = {"faces": faces, "face_size": np.full(1, spec.height / 2, np.float32)}
    with OnnxRuntimeRunner(model, SessionOptions(threads=1)) as runner:
        # The exporter drops an input that nothing reads.
        feed = {name: values[name] for name in runner.inputs}
        warm_up(lambda: runner.infer(feed), seconds=_SECONDS / 4)
        return float(np.median(timed_runs(lambda: runner.infer(feed), seconds=_SECONDS, min_runs=20)))
