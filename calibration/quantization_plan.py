"""Which nodes of a graph are quantised.

What works on feature maps is quantised: nearly all of the arithmetic is there. What works on vectors stays in floating
point: the condition on the face size, the pooled features and the classifier take less than a hundredth of the time,
and the decision hangs on them. Normalisation stays in floating point too; it is elementwise and its result is quantised
where the first convolution reads it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..core.errors import CalibrationError

if TYPE_CHECKING:
    import onnx

COMPUTE_OPS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
"""Operators that hold weights: quantised in both forms."""

ELEMENTWISE_OPS = frozenset(
    {"Add", "AveragePool", "Clip", "Concat", "LeakyRelu", "MaxPool", "Mul", "Relu", "Resize", "Where"}
)
"""Operators between them: quantised for CPUs, where a detour through float costs more than the operator."""


@dataclass(frozen=True)
class QuantizationPlan:
    """Which nodes of a graph are quantised.

    Attributes:
        compute: Names of the nodes with weights that are quantised.
        elementwise: Names of the nodes between them that are quantised for CPUs.
        kept_float: Names of the nodes with weights that work on feature maps and stay in floating point by request.
        residual_skips: Tensors that TensorRT adds to a convolution's result; in int8 the addition becomes part of it.
    """

    compute: tuple[str, ...]
    elementwise: tuple[str, ...]
    kept_float: tuple[str, ...]
    residual_skips: tuple[str, ...]


def plan_quantization(model: onnx.ModelProto, keep_float: Sequence[str] = ()) -> QuantizationPlan:
    """Choose the nodes of a graph that are quantised.

    Args:
        model: Graph with names on all nodes and shapes on all tensors (:func:`prepared`).
        keep_float: Regular expressions; nodes whose names contain a match stay in floating point.

    Raises:
        CalibrationError: An expression is malformed or matches no node, or nothing is left to quantise.
    """
    patterns = _compiled(model, keep_float)
    weights = {tensor.name for tensor in model.graph.initializer}
    shapes = tensor_shapes(model)
    compute: list[str] = []
    elementwise: list[str] = []
    kept: list[str] = []
    behind_weights: set[str] = set()
    for node in model.graph.node:
        on_map = is_feature_map(shapes.get(node.output[0], ()))
        kept_here = any(pattern.search(node.name) for pattern in patterns)
        if on_map and node.op_type in COMPUTE_OPS and node.input[1] in weights:
            behind_weights.update(node.output)
            (kept if kept_here else compute).append(node.name)
        elif not behind_weights.isdisjoint(node.input):
            behind_weights.update(node.output)
            if on_map and node.op_type in ELEMENTWISE_OPS and not kept_here:
                elementwise.append(node.name)
    if not compute:
        raise CalibrationError("the graph has nothing to quantise", expected="a convolution that is not kept in float")
    skips = residual_skips(model, compute, elementwise)
    return QuantizationPlan(tuple(compute), tuple(elementwise), tuple(kept), skips)


def prepared(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy of a graph with a name on every node and a shape on every tensor."""
    import onnx

    copy = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    taken = {node.name for node in copy.graph.node}
    for position, node in enumerate(copy.graph.node):
        if not node.name:
            node.name = f"{node.op_type}_{position}"
            while node.name in taken:
                node.name += "_"
            taken.add(node.name)
    return copy


def tensor_shapes(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """Return the shapes of all tensors of a graph that are known; -1 for an axis of free length."""
    graph = model.graph
    infos = [*graph.input, *graph.value_info, *graph.output]
    return {info.name: tuple(_length(axis) for axis in info.type.tensor_type.shape.dim) for info in infos}


def is_feature_map(shape: Sequence[int]) -> bool:
    """Tell whether a tensor of this shape, (N, channels, ...), has more than one position."""
    return any(length != 1 for length in shape[2:])


def _length(axis: onnx.TensorShapeProto.Dimension) -> int:
    return int(axis.dim_value) if axis.HasField("dim_value") else -1


def _compiled(model: onnx.ModelProto, expressions: Sequence[str]) -> list[re.Pattern[str]]:
    names = [node.name for node in model.graph.node]
    patterns = []
    for expression in expressions:
        try:
            pattern = re.compile(expression)
        except re.error as problem:
            raise CalibrationError(
                "what to keep in float cannot be read",
                expected="a regular expression",
                found=f"{expression}: {problem}",
            ) from problem
        if not any(pattern.search(name) for name in names):
            weighted = [node.name for node in model.graph.node if node.op_type in COMPUTE_OPS]
            raise CalibrationError(
                f"no node's name matches {expression}",
                expected=f"regular expressions for names such as {', '.join(weighted[:5])}",
                fix="fsrfer-export inspect lists the nodes",
            )
        patterns.append(pattern)
    return patterns


def residual_skips(model: onnx.ModelProto, compute: Collection[str], elementwise: Collection[str]) -> tuple[str, ...]:
    """Return the tensors that additions add to a convolution's result and that TensorRT wants in int8.

    Args:
        model: Graph with names on all nodes and shapes on all tensors.
        compute: Names of the nodes with weights that are quantised.
        elementwise: Names of the nodes between them that may be.
    """
    shapes = tensor_shapes(model)
    quantized = [node for node in model.graph.node if node.name in compute]
    kernel_of = {node.output[0]: _kernel_positions(node) for node in quantized}
    read_by_weights = {node.input[0] for node in quantized}
    skips = []
    for node in model.graph.node:
        if node.op_type != "Add" or node.name not in elementwise:
            continue
        if any(not is_feature_map(shapes.get(name, ())) for name in node.input):
            continue
        # What a convolution reads is int8 anyway. Else the lighter branch is the shortcut: its convolution is 1x1.
        first, second = node.input
        known = [name for name in (first, second) if name in read_by_weights]
        lighter = min((second, first), key=lambda name: kernel_of.get(name, 0))
        if known or kernel_of.keys() & set(node.input):
            skips.append(known[0] if known else lighter)
    return tuple(dict.fromkeys(skips))


def _kernel_positions(node: onnx.NodeProto) -> int:
    positions = 1
    for attribute in node.attribute:
        if attribute.name == "kernel_shape":
            for length in attribute.ints:
                positions *= length
    return positions
