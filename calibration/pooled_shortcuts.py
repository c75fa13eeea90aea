"""Average pooling merged into the 1x1 convolution behind it.

The shortcuts of a residual network average 2x2 pixels and then mix channels. ONNX Runtime's integer pooling is slow: it
took a quarter of the time of a whole INT8 network. A 2x2 convolution with the same weights, divided by four, does both
exactly, and rounds once instead of twice.
"""

from __future__ import annotations

import copy
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .onnx_packages import import_onnx

if TYPE_CHECKING:
    import onnx


def merge_pooled_shortcuts(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a graph that computes the same without pooling in front of 1x1 convolutions.

    Pooling with padding, overlap or other readers, and grouped convolutions, are left as they are.

    Args:
        model: Floating-point graph.
    """
    numpy_helper, helper = import_onnx().numpy_helper, import_onnx().helper
    merged = copy.deepcopy(model)
    graph = merged.graph
    readers = Counter(name for node in graph.node for name in node.input)
    readers.update(info.name for info in graph.output)
    pools = {node.output[0]: node for node in graph.node if _plain_pooling(node)}
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for node in [node for node in graph.node if _plain_pointwise(node) and node.input[1] in weights]:
        pool = pools.get(node.input[0])
        if pool is None or readers[pool.output[0]] != 1:
            continue
        window = list(_attributes(pool)["kernel_shape"])
        name = f"{node.input[1]}_pooled"
        graph.initializer.append(numpy_helper.from_array(_spread(weights[node.input[1]], window), name))
        merging = helper.make_node(
            "Conv",
            [pool.input[0], name, *node.input[2:]],
            node.output,
            name=node.name,
            kernel_shape=window,
            strides=window,
        )
        node.CopyFrom(merging)
        graph.node.remove(pool)
    _drop_unread_weights(graph)
    return merged


def _spread(weight: npt.NDArray[np.float32], window: list[int]) -> npt.NDArray[np.float32]:
    """Weights (out, in, 1, 1) over a window of equal parts, (out, in, height, width)."""
    spread = np.broadcast_to(weight / np.prod(window), (*weight.shape[:2], *window))
    return np.ascontiguousarray(spread, np.float32)


def _plain_pooling(node: onnx.NodeProto) -> bool:
    if node.op_type != "AveragePool":
        return False
    values = _attributes(node)
    return (
        list(values.get("strides", [])) == list(values["kernel_shape"])
        and not any(values.get("pads", []))
        and values.get("ceil_mode", 0) == 0
        and values.get("auto_pad", b"NOTSET") == b"NOTSET"
        and all(step == 1 for step in values.get("dilations", []))
    )


def _plain_pointwise(node: onnx.NodeProto) -> bool:
    if node.op_type != "Conv":
        return False
    values = _attributes(node)
    return (
        all(length == 1 for length in [*values.get("kernel_shape", [0]), *values.get("strides", [])])
        and not any(values.get("pads", []))
        and values.get("group", 1) == 1
        and values.get("auto_pad", b"NOTSET") in (b"NOTSET", b"VALID")
    )


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    helper = import_onnx().helper
    return {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}


def _drop_unread_weights(graph: onnx.GraphProto) -> None:
    read = {name for node in graph.node for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in read]
    del graph.initializer[:]
    graph.initializer.extend(kept)
