"""Names that a person knows for the nodes of an exported graph.

A node is called after the module that it comes from, ``backbone.stages.1.0.body.3`` for a convolution and
``generator.relu`` for what has no weights. The name stays with it through quantisation, engine building and profiling.
"""

from __future__ import annotations

import ast
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx

_SCOPES = "pkg.torch.onnx.name_scopes"
_ROOT = "network"


def name_nodes(model: onnx.ModelProto) -> None:
    """Name the nodes of a graph from PyTorch's exporter, in place, and drop what the exporter wrote about its sources.

    That is source lines with their paths: of no use to whoever gets the graph, and nobody's business.

    Args:
        model: The graph as the exporter made it, its network wrapped as ``network``.
    """
    taken: Counter[str] = Counter()
    for node in model.graph.node:
        name = _name_of(node)
        taken[name] += 1
        node.name = name if taken[name] == 1 else f"{name}_{taken[name]}"
        del node.metadata_props[:]
        node.doc_string = ""
    for info in (*model.graph.input, *model.graph.output, *model.graph.value_info, *model.graph.initializer):
        del info.metadata_props[:]
    del model.graph.metadata_props[:]
    del model.metadata_props[:]


def _name_of(node: onnx.NodeProto) -> str:
    names: list[str] = list(node.input)
    for name in names:
        if name.startswith(f"{_ROOT}.") and name.endswith(".weight"):
            return name.removeprefix(f"{_ROOT}.").removesuffix(".weight")
    properties = {entry.key: entry.value for entry in node.metadata_props}
    scopes = ast.literal_eval(properties.get(_SCOPES, "[]"))
    module: str = scopes[-2] if len(scopes) > 1 else ""
    path = module.removeprefix(_ROOT).removeprefix(".")
    operator: str = node.op_type.lower()
    return f"{path}.{operator}" if path else operator
