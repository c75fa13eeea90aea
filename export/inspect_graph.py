"""What is in an ONNX file: tensors, operators, number formats, cost."""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from ..calibration.onnx_packages import import_onnx
from ..calibration.quantization_plan import COMPUTE_OPS, tensor_shapes
from ..calibration.quantization_report import quantized_nodes
from ..core.errors import EngineBuildError

if TYPE_CHECKING:
    import onnx

Shape = tuple[int, ...]


@dataclass(frozen=True)
class WeightedNode:
    """A node with weights.

    Attributes:
        name: Its name, which ``--keep-fp32`` takes.
        operator: Its operator.
        macs: Multiply-accumulate operations for one face; None where shapes are not known.
        number_format: Format of its weights: ``float32``, ``float16`` or ``int8``.
    """

    name: str
    operator: str
    macs: int | None
    number_format: str


@dataclass(frozen=True)
class GraphDescription:
    """Content of an ONNX file.

    Attributes:
        size_bytes: Size of the file.
        opset: Version of ONNX's own operators.
        ir_version: Version of the file format.
        inputs: Type and shape by name.
        outputs: Type and shape by name.
        operators: Number of nodes by operator.
        parameters: Number of weights.
        macs: Multiply-accumulate operations for one face; None where shapes are not known, as in optimised graphs.
        weighted_nodes: Nodes with weights, in order of execution.
        metadata: What the file says about itself.
    """

    size_bytes: int
    opset: int
    ir_version: int
    inputs: dict[str, str]
    outputs: dict[str, str]
    operators: dict[str, int]
    parameters: int
    macs: int | None
    weighted_nodes: tuple[WeightedNode, ...]
    metadata: dict[str, str]


def describe_graph(path: Path) -> GraphDescription:
    """Read an ONNX file.

    Raises:
        EngineBuildError: It is none.
        MissingDependencyError: ``onnx`` is not installed.
    """
    onnx = import_onnx()
    try:
        model = onnx.load(path)
        # Graphs that ONNX Runtime has optimised hold operators without inference; what cannot be known stays open.
        model = onnx.shape_inference.infer_shapes(model)
        one_face = onnx.shape_inference.infer_shapes(_with_one_face(model), data_prop=True)
    except (OSError, ValueError, RuntimeError, _decode_error()) as problem:
        raise EngineBuildError(f"{path} is not an ONNX graph", found=str(problem) or "unreadable bytes") from problem
    graph = model.graph
    weighted = _weighted_nodes(one_face)
    return GraphDescription(
        size_bytes=path.stat().st_size,
        opset=max((entry.version for entry in model.opset_import if entry.domain == ""), default=0),
        ir_version=model.ir_version,
        inputs={info.name: _describe(info) for info in graph.input},
        outputs={info.name: _describe(info) for info in graph.output},
        operators=dict(Counter(node.op_type for node in graph.node).most_common()),
        parameters=sum(prod(tensor.dims) for tensor in graph.initializer),
        macs=None if any(node.macs is None for node in weighted) else sum(node.macs or 0 for node in weighted),
        weighted_nodes=weighted,
        metadata={entry.key: entry.value for entry in model.metadata_props},
    )


def _decode_error() -> type[Exception]:
    error: type[Exception] = importlib.import_module("google.protobuf.message").DecodeError
    return error


def _describe(info: onnx.ValueInfoProto) -> str:
    tensor = info.type.tensor_type
    dtype = import_onnx().helper.tensor_dtype_to_np_dtype(tensor.elem_type)
    axes = (str(axis.dim_value) if axis.HasField("dim_value") else "N" for axis in tensor.shape.dim)
    return f"{dtype} ({', '.join(axes)})"


def _with_one_face(model: onnx.ModelProto) -> onnx.ModelProto:
    # A graph may make several views of a face, and counts as many rows for it: only a batch of one tells how many.
    copy: onnx.ModelProto = import_onnx().ModelProto()
    copy.CopyFrom(model)
    del copy.graph.value_info[:]
    for info in (*copy.graph.input, *copy.graph.output):
        axes = info.type.tensor_type.shape.dim
        if axes and not axes[0].HasField("dim_value"):
            axes[0].dim_value = 1
    return copy


def _weighted_nodes(model: onnx.ModelProto) -> tuple[WeightedNode, ...]:
    onnx = import_onnx()
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    shapes: dict[str, Shape] = {**tensor_shapes(model), **{name: tuple(t.dims) for name, t in weights.items()}}
    quantized = set(quantized_nodes(model)[0])
    described = []
    for node in model.graph.node:
        operator = node.op_type.removeprefix("QLinear")
        if operator not in COMPUTE_OPS and operator not in ("FusedConv", "FusedGemm", "QGemm"):
            continue
        position = 3 if node.op_type.startswith("QLinear") or node.op_type == "QGemm" else 1
        weight = weights.get(node.input[position])
        if weight is not None:
            number_format = str(onnx.helper.tensor_dtype_to_np_dtype(weight.data_type))
        else:
            number_format = "int8" if node.name in quantized else "float32"
        macs = _macs(node, shapes.get(node.input[position], ()), shapes)
        described.append(WeightedNode(node.name, node.op_type, macs, number_format))
    return tuple(described)


def _macs(node: onnx.NodeProto, weight: Sequence[int], shapes: Mapping[str, Shape]) -> int | None:
    # Every weight is used once at each position of each row: of the output, or of the input that is spread out.
    tensor = node.input[0] if node.op_type == "ConvTranspose" else node.output[0]
    shape = shapes.get(tensor, ())
    positions = (shape[0], *shape[2:]) if "Conv" in node.op_type and shape else shape[:-1]
    if not weight or not shape or any(length < 1 for length in (*weight, *positions)):
        return None
    return prod(weight) * prod(positions)
