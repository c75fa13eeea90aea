"""What is read from a graph before anything is compiled: inputs, shapes, layers, number formats."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from ..calibration.onnx_packages import import_onnx
from ..core.errors import EngineBuildError
from ..runtime.engine_record import BatchProfile
from .build_recipe import graph_profiles
from .inspect_graph import describe_graph

Shape = tuple[int, ...]


@dataclass(frozen=True)
class GraphReading:
    """A graph as the library that would compile it reads it.

    Attributes:
        parser: What read it, with its version.
        inputs: Number format and shape by name; ``N`` stands for the batch.
        profiles: Smallest, optimal and largest shape of each input; empty where any batch is served.
        layers: Number of layers by kind, the most frequent first; of nodes by operator where no TensorRT read it.
        number_formats: Number of layers by the format of their results; of nodes with weights by the format of these
            where no TensorRT read it.
    """

    parser: str
    inputs: dict[str, str]
    profiles: dict[str, tuple[Shape, ...]]
    layers: dict[str, int]
    number_formats: dict[str, int]


def read_by_onnx(graph: Path, batch: BatchProfile | None, parser: str | None = None) -> GraphReading:
    """Read and check a graph by the package ``onnx``.

    Args:
        graph: The graph.
        batch: Batch sizes to serve; None for any.
        parser: What else has read it; None for ``onnx`` alone.

    Raises:
        EngineBuildError: ONNX's checker refuses it, or its inputs cannot be batched.
        MissingDependencyError: ``onnx`` is not installed.
    """
    onnx = import_onnx()
    described = describe_graph(graph)
    model = onnx.load(graph)
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as problem:
        raise EngineBuildError(f"ONNX's checker refuses {graph}", found=" ".join(str(problem).split())) from problem
    return GraphReading(
        parser=parser or f"onnx {onnx.__version__}, its checker",
        inputs=described.inputs,
        profiles={} if batch is None else graph_profiles(model, batch),
        layers=described.operators,
        number_formats=dict(Counter(node.number_format for node in described.weighted_nodes).most_common()),
    )
