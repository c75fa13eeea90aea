"""Rewrites a graph so that chosen nodes compute in float32 and all others in a 16-bit format.

A Cast stands exactly where an edge leaves one side for the other, once for each tensor; so two nodes that stay in
float32 hand their result on unrounded.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import Enum
from typing import TYPE_CHECKING

from ..calibration.onnx_packages import import_onnx

if TYPE_CHECKING:
    import onnx

_FLOAT32_INPUTS = {"Resize": frozenset({2})}
"""Operands that ONNX defines as float32 whatever the others are: the scales of Resize."""


class HalfFormat(str, Enum):
    """A 16-bit floating-point format."""

    FLOAT16 = "float16"
    """IEEE 754 binary16: 10 bits of fraction, up to 65 504."""

    BFLOAT16 = "bfloat16"
    """The upper half of a float32: its range, and 7 bits of fraction."""


def retype(
    model: onnx.ModelProto, float32_nodes: Collection[str], half: HalfFormat = HalfFormat.FLOAT16
) -> onnx.ModelProto:
    """Return a graph whose nodes compute in 16 bits but for the named ones; inputs and outputs keep their types.

    Args:
        model: Floating-point graph in topological order with names on all nodes and types on all tensors.
        float32_nodes: Names of the nodes that stay as they are.
        half: The 16-bit format.
    """
    return _Retyping(model, float32_nodes, half).run()


class _Retyping:
    def __init__(self, model: onnx.ModelProto, float32_nodes: Collection[str], half: HalfFormat) -> None:
        self._onnx = import_onnx()
        self._source = model
        self._float32_nodes = float32_nodes
        tensor_type = self._onnx.TensorProto
        self._single, self._half = int(tensor_type.FLOAT), int(getattr(tensor_type, half.name))
        self._half_dtype = self._onnx.helper.tensor_dtype_to_np_dtype(self._half)
        self._original_types = _tensor_types(model)
        self._types = dict(self._original_types)
        self._weights = {tensor.name: tensor for tensor in model.graph.initializer}
        self._outputs = {info.name for info in model.graph.output}
        self._nodes: list[onnx.NodeProto] = []
        self._half_weights: dict[str, onnx.TensorProto] = {}
        self._casts: dict[tuple[str, int], str] = {}

    def run(self) -> onnx.ModelProto:
        for node in self._source.graph.node:
            self._add(node)
        result = self._onnx.ModelProto()
        result.CopyFrom(self._source)
        graph = result.graph
        read = {name for node in self._nodes for name in node.input}
        for field, values in (
            (graph.node, self._nodes),
            (graph.initializer, [tensor for tensor in self._weights.values() if tensor.name in read]),
            (graph.value_info, []),
        ):
            del field[:]
            field.extend(values)
        graph.initializer.extend(self._half_weights.values())
        inferred: onnx.ModelProto = self._onnx.shape_inference.infer_shapes(result, strict_mode=True)
        return inferred

    def _add(self, original: onnx.NodeProto) -> None:
        node = self._onnx.NodeProto()
        node.CopyFrom(original)
        half = node.name not in self._float32_nodes and self._computes_float(node)
        always_single = _FLOAT32_INPUTS.get(node.op_type, frozenset())
        for index, name in enumerate(node.input):
            wanted = self._half if half and index not in always_single else self._single
            node.input[index] = self._as_type(name, wanted)
        self._nodes.append(node)
        if half:
            self._type_outputs(node)

    def _computes_float(self, node: onnx.NodeProto) -> bool:
        # A Cast or a Constant says its type itself; what merely handles integers or truth values has none to change.
        if node.op_type in ("Cast", "Constant", "ConstantOfShape", "Range"):
            return False
        return any(self._original_types.get(name) == self._single for name in (*node.input, *node.output))

    def _as_type(self, name: str, wanted: int) -> str:
        """Return the name under which a tensor can be read in a type; other than float tensors stay what they are."""
        present = self._types.get(name)
        if present == wanted or present not in (self._single, self._half):
            return name
        if name in self._weights:
            return self._half_weight(name)
        key = (name, wanted)
        if key not in self._casts:
            self._casts[key] = f"{name}_{'half' if wanted == self._half else 'single'}"
            self._nodes.append(self._cast(name, self._casts[key], wanted))
        return self._casts[key]

    def _half_weight(self, name: str) -> str:
        if name not in self._half_weights:
            values = self._onnx.numpy_helper.to_array(self._weights[name]).astype(self._half_dtype)
            self._half_weights[name] = self._onnx.numpy_helper.from_array(values, f"{name}_half")
        return self._half_weights[name].name

    def _type_outputs(self, node: onnx.NodeProto) -> None:
        for index, name in enumerate(node.output):
            if self._types.get(name) != self._single:
                continue
            if name in self._outputs:  # keeps name and type; what follows reads the 16-bit result
                node.output[index] = f"{name}_half"
                self._casts[name, self._half] = node.output[index]
                self._nodes.append(self._cast(node.output[index], name, self._single))
            else:
                self._types[name] = self._half

    def _cast(self, source: str, target: str, to: int) -> onnx.NodeProto:
        node: onnx.NodeProto = self._onnx.helper.make_node("Cast", [source], [target], name=f"{target}_cast", to=to)
        return node


def _tensor_types(model: onnx.ModelProto) -> dict[str, int]:
    graph = model.graph
    infos = [*graph.input, *graph.value_info, *graph.output]
    types = {info.name: int(info.type.tensor_type.elem_type) for info in infos}
    return types | {tensor.name: int(tensor.data_type) for tensor in graph.initializer}
