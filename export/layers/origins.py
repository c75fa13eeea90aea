"""Which node of a bundle's graph an executed node computes.

ONNX Runtime renames what it fuses: a convolution in its blocked layout is called after the tensor that it writes
(``relu_7_nchwc``, which the graph's ReLU wrote), one that was moved to channels-last has a counter
(``backbone.stem.0_token_1``), a product with its activation is ``fused classifier.embed.0``.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ...calibration.onnx_packages import import_onnx
from ...calibration.quantization_plan import COMPUTE_OPS
from ..inspect_graph import describe_graph

if TYPE_CHECKING:
    import onnx

_ADDED = re.compile(r"(_nchwc|_nhwc|_token_\d+)+$")
_FARTHEST = 8
"""Nodes that are walked back from a tensor to the convolution that was fused with what stands behind it."""


@dataclass(frozen=True)
class Origin:
    """A node of a bundle's graph.

    Attributes:
        name: Its name.
        macs: Multiply-accumulates for one face; 0 for a node without weights.
        weight_bytes: Bytes of its weights as they are stored; 0 for a node without weights.
    """

    name: str
    macs: int
    weight_bytes: int


class SourceGraph:
    """A bundle's graph, to look up what an executed node computes.

    Args:
        path: The ONNX file.

    Raises:
        EngineBuildError: It is none.
        MissingDependencyError: ``onnx`` is not installed.
    """

    def __init__(self, path: Path) -> None:
        described = describe_graph(path)
        self._model: onnx.ModelProto = import_onnx().load(path)
        self._weighted = {node.name: node for node in described.weighted_nodes}
        self._nodes: dict[str, onnx.NodeProto] = {node.name: node for node in self._model.graph.node}
        self._writer: dict[str, onnx.NodeProto] = {
            tensor: node for node in self._model.graph.node for tensor in node.output
        }

    def origin_of(self, executed: str, operator: str) -> Origin | None:
        """Return the node that an executed one computes; None for what ONNX Runtime added.

        Args:
            executed: Name of the executed node.
            operator: Its operator.
        """
        name = executed.removeprefix("fused ")
        plain = _ADDED.sub("", name)
        found = self._nodes.get(name) or self._nodes.get(plain)
        if found is None:
            found = self._behind_tensor(plain, operator)
        return None if found is None else self._describe(found)

    def _behind_tensor(self, tensor: str, operator: str) -> onnx.NodeProto | None:
        wanted = _source_operator(operator)
        start: onnx.NodeProto | None = self._writer.get(tensor)
        if start is None or start.op_type == wanted or wanted not in COMPUTE_OPS:
            return start
        # What stands behind a convolution (an addition, an activation) became part of it.
        waiting: deque[onnx.NodeProto] = deque([start])
        seen = 0
        while waiting and seen < _FARTHEST:
            node, seen = waiting.popleft(), seen + 1
            if node.op_type == wanted:
                return node
            waiting.extend(self._writer[name] for name in node.input if name in self._writer)
        return start

    def _describe(self, node: onnx.NodeProto) -> Origin:
        weighted = self._weighted.get(node.name)
        return Origin(
            name=node.name,
            macs=0 if weighted is None else weighted.macs or 0,
            weight_bytes=0 if weighted is None else self._weight_bytes(node),
        )

    def _weight_bytes(self, node: onnx.NodeProto) -> int:
        # Through the dequantising node of a quantised weight, whose stored form is what is read.
        weight = node.input[1]
        before = self._writer.get(weight)
        stored = before.input[0] if before is not None and before.op_type == "DequantizeLinear" else weight
        return self._bytes.get(stored, 0)

    @cached_property
    def _bytes(self) -> dict[str, int]:
        to_array = import_onnx().numpy_helper.to_array
        return {tensor.name: int(to_array(tensor).nbytes) for tensor in self._model.graph.initializer}


def _source_operator(operator: str) -> str:
    return operator.removeprefix("QLinear").removeprefix("Nhwc").removeprefix("Fused")
