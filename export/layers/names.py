"""What a person calls a layer, and which part of the network it belongs to.

The graph's nodes are named after the modules of the network (``export/node_names.py``): ``backbone.stages.1.0.body.3``
becomes "backbone stage 2 block 1 conv 2". A person counts from one.
"""

from __future__ import annotations

import re

from ...runtime.profiling.layer_report import LayerKind, LayerRole

_LISTS = {
    "stages": "stage",
    "blocks": "block",
    "layers": "layer",
    "convolutions": "conv",
    "trunk": "trunk",
    "generators": "generator",
}
_REPEATED = re.compile(r"_(\d+)$")
_BODY = re.compile(r"\bbody\.(\d+)")
_CONVOLUTION_AND_WHAT_FOLLOWS = 3  # convolution, batch norm, activation
_INSIDE_SEQUENTIAL = re.compile(r"\b(stem|skip|enter|leave|embed|blocks\.\d+)\.\d+$")

_ROLES = {
    "normalize": LayerRole.NORMALIZE,
    "backbone": LayerRole.BACKBONE,
    "generator": LayerRole.GENERATOR,
    "classifier": LayerRole.CLASSIFIER,
}

_KINDS = {
    LayerKind.CONVOLUTION: ("Conv", "FusedConv", "QLinearConv", "ConvInteger", "ConvTranspose", "NhwcFusedConv"),
    LayerKind.DENSE: ("Gemm", "FusedGemm", "QGemm", "MatMul", "FusedMatMul", "QLinearMatMul", "MatMulInteger"),
    LayerKind.POOLING: (
        "AveragePool",
        "QLinearAveragePool",
        "GlobalAveragePool",
        "QLinearGlobalAveragePool",
        "MaxPool",
        "ReduceMean",
        "QLinearReduceMean",
    ),
    LayerKind.QUANTIZE: ("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"),
    LayerKind.LAYOUT: ("Transpose", "ReorderInput", "ReorderOutput"),
    LayerKind.ELEMENTWISE: (
        "Add",
        "Cast",
        "Clip",
        "Div",
        "Exp",
        "LeakyRelu",
        "Log",
        "Mul",
        "QLinearAdd",
        "QLinearLeakyRelu",
        "QLinearMul",
        "QuickGelu",
        "Relu",
        "Sigmoid",
        "Softmax",
        "Sub",
        "Where",
    ),
}
_KIND_OF = {operator: kind for kind, operators in _KINDS.items() for operator in operators}


def kind_of(operator: str) -> LayerKind:
    """Return what an operator of ONNX or of ONNX Runtime does."""
    return _KIND_OF.get(operator, LayerKind.OTHER)


def computes_int8(operator: str) -> bool:
    """Tell whether an operator of ONNX Runtime multiplies or adds 8-bit numbers."""
    return operator.startswith("QLinear") or operator in ("QGemm", "ConvInteger", "MatMulInteger")


def role_of(node: str | None, kind: LayerKind) -> LayerRole:
    """Return the part of the network that a node belongs to.

    Args:
        node: Its name in the bundle's graph; None for what ONNX Runtime added.
        kind: What it does.
    """
    if kind is LayerKind.LAYOUT:
        return LayerRole.LAYOUT
    if kind is LayerKind.QUANTIZE:
        return LayerRole.QUANTIZE
    if node is None:
        return LayerRole.OTHER
    if ".modulation." in node:
        return LayerRole.SIZE_CONDITION
    return _ROLES.get(node.partition(".")[0], LayerRole.OTHER)


def human_name(node: str) -> str:
    """Return what a person calls a node.

    Args:
        node: Its name in the bundle's graph.
    """
    node = _INSIDE_SEQUENTIAL.sub(r"\1", node)
    node = _BODY.sub(lambda found: f"conv.{int(found[1]) // _CONVOLUTION_AND_WHAT_FOLLOWS}", node)
    repeated = _REPEATED.search(node)
    node = _REPEATED.sub("", node)
    words: list[str] = []
    for part in node.split("."):
        if not part.isdecimal():
            words.append(part)
        elif words and words[-1].isdecimal():  # stages.1.0: the first block of the second stage
            words += ["block", str(int(part) + 1)]
        else:
            words.append(str(int(part) + 1))
    named = [_LISTS.get(word, word) for word in words]
    if named and named[0] == "normalize":
        named[0] = "normalise"
    return " ".join(named) + (f" {repeated[1]}" if repeated else "")
