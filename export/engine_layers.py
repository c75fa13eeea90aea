"""What TensorRT made of a graph: its layers, their number formats, and the nodes that each stands for.

TensorRT lists them in its build log, without a GPU as well; so it can be seen that an INT8 engine computes in INT8.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..calibration.quantization_plan import COMPUTE_OPS

if TYPE_CHECKING:
    import onnx

_HEAD = re.compile(r"^Name: (?P<name>.*?), LayerType: (?P<kind>[^,]*), (?P<rest>.*)$")
_PARTS = re.compile(r"(?:^|, )(Inputs|Constants|Outputs|TacticName|Metadata): ")
_TYPE = re.compile(r"(?:Datatype|Format/Datatype): ([A-Za-z0-9]+)")
_NODE = re.compile(r"\[ONNX Layer: ([^\]]*)\]")


@dataclass(frozen=True)
class EngineLayer:
    """A layer of an engine.

    Attributes:
        name: TensorRT's name for it.
        kind: TensorRT's kind of layer.
        input_types: Number formats of its inputs, such as ``Int8`` and ``Float``.
        weight_types: Number formats of its weights.
        output_types: Number formats of its outputs.
        nodes: Names of the graph's nodes that it computes.
    """

    name: str
    kind: str
    input_types: tuple[str, ...]
    weight_types: tuple[str, ...]
    output_types: tuple[str, ...]
    nodes: tuple[str, ...]


@dataclass(frozen=True)
class Int8Account:
    """Where the quantisation of a graph went in an engine.

    Attributes:
        int8: Nodes with weights that read and multiply int8.
        not_int8: Nodes with weights that are quantised in the graph and not in the engine.
        unaccounted: Quantising nodes of the graph that no layer of the engine names.
    """

    int8: tuple[str, ...]
    not_int8: tuple[str, ...]
    unaccounted: tuple[str, ...]


def parse_layers(lines: Sequence[str]) -> tuple[EngineLayer, ...]:
    """Read the layers from TensorRT's log.

    Args:
        lines: Messages of the log; what describes no layer is passed over.
    """
    found = []
    for line in lines:
        head = _HEAD.match(line.strip())
        if head is None:
            continue
        # Name of a part, its text, name of the next part, ...
        _, *pieces = _PARTS.split(head["rest"])
        parts = dict(zip(pieces[::2], pieces[1::2], strict=True))
        types = {part: tuple(_TYPE.findall(parts.get(part, ""))) for part in ("Inputs", "Constants", "Outputs")}
        nodes = tuple(dict.fromkeys(_NODE.findall(head["rest"])))
        found.append(
            EngineLayer(head["name"], head["kind"], types["Inputs"], types["Constants"], types["Outputs"], nodes)
        )
    return tuple(found)


def account_for_int8(model: onnx.ModelProto, layers: Collection[EngineLayer]) -> Int8Account:
    """Compare the quantisation of a graph with the number formats of its engine.

    Args:
        model: The graph that was compiled.
        layers: The engine's layers.
    """
    dequantized = {node.output[0] for node in model.graph.node if node.op_type == "DequantizeLinear"}
    wanted = [
        node.name for node in model.graph.node if node.op_type in COMPUTE_OPS and dequantized >= set(node.input[:2])
    ]
    computed = {
        name for layer in layers if "Int8" in layer.input_types and "Int8" in layer.weight_types for name in layer.nodes
    }
    named = {name for layer in layers for name in layer.nodes}
    pairs = [n.name for n in model.graph.node if n.op_type in ("QuantizeLinear", "DequantizeLinear")]
    return Int8Account(
        int8=tuple(name for name in wanted if name in computed),
        not_int8=tuple(name for name in wanted if name not in computed),
        unaccounted=tuple(name for name in pairs if name not in named),
    )
