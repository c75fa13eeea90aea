"""Graphs for TensorRT 8.6, which reads operator sets up to 17.

PyTorch's exporter writes nothing below 18. Between the two, two operators of our graphs differ in form and none in
meaning.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

from ..core.errors import EngineBuildError

OPSET = 17
_IR_VERSION = 8
_REDUCTIONS = frozenset({"ReduceL1", "ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSumSquare"})
_CHANGED = frozenset({"CenterCropPad", "Col2Im", "Mish", "OptionalGetElement", "Pad", "Resize", "ScatterElements"})
"""Others that changed with 18; none is in our graphs, and none is rewritten here."""


def to_opset_17(model: onnx.ModelProto) -> None:
    """Rewrite a graph of operator set 18 for 17, in place.

    Args:
        model: The graph.

    Raises:
        EngineBuildError: It has an operator that is not rewritten here.
    """
    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type in _CHANGED:
            raise EngineBuildError(
                f"{node.op_type} {node.name} cannot be written for operator set {OPSET}", fix="--opset 18"
            )
        if node.op_type in _REDUCTIONS:
            _axes_to_attribute(node, weights)
        elif node.op_type == "Split":
            # Without sizes, 17 splits into as many equal parts as there are outputs, which is what the attribute says.
            _drop_attribute(node, "num_outputs")
    read = {name for node in graph.node for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in read]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    for entry in model.opset_import:
        if entry.domain == "":
            entry.version = OPSET
    model.ir_version = min(model.ir_version, _IR_VERSION)
    onnx.checker.check_model(model, full_check=True)


def _axes_to_attribute(node: onnx.NodeProto, weights: dict[str, onnx.TensorProto]) -> None:
    _drop_attribute(node, "noop_with_empty_axes")  # says nothing where there are axes
    if len(node.input) < 2 or not node.input[1]:
        return
    if node.input[1] not in weights:
        raise EngineBuildError(f"the axes of {node.op_type} {node.name} are computed", expected="constant axes")
    axes = [int(axis) for axis in np.atleast_1d(numpy_helper.to_array(weights[node.input[1]]))]
    del node.input[1:]
    node.attribute.append(helper.make_attribute("axes", axes))


def _drop_attribute(node: onnx.NodeProto, name: str) -> None:
    kept = [attribute for attribute in node.attribute if attribute.name != name]
    del node.attribute[:]
    node.attribute.extend(kept)
