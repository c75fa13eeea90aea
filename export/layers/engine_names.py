"""What a person calls a layer of an engine of TensorRT.

TensorRT names a layer after the nodes that it made it from, ``backbone.stem.0 + backbone.stem.2.relu``, and what it
adds in words of its own.
"""

from __future__ import annotations

import re

from ...runtime.profiling.layer_report import LayerKind, LayerRole
from .names import human_name, role_of

_NODE = re.compile(r"\b(?:normalize|backbone|generator|classifier)(?:\.[A-Za-z0-9_]+)+")
_QUANTIZING = re.compile(r"(?:Dequantize|Quantize)Linear", re.IGNORECASE)
_REFORMAT = re.compile(r"^Reformatting\b", re.IGNORECASE)


def engine_layer_name(name: str) -> str:
    """Return what a person calls a layer: the nodes that it computes.

    Args:
        name: TensorRT's name for it.
    """
    if _REFORMAT.search(name):
        return "change of layout"
    nodes = list(dict.fromkeys(_NODE.findall(name)))
    if not nodes:
        return name
    more = f" and {len(nodes) - 1} more" if len(nodes) > 1 else ""
    return human_name(nodes[0]) + more


def engine_layer_role(name: str) -> LayerRole:
    """Return the part of the network that a layer belongs to: that of the first node it computes.

    Args:
        name: TensorRT's name for it.
    """
    if _REFORMAT.search(name):
        return LayerRole.LAYOUT
    nodes = [node for node in _NODE.findall(name) if not _QUANTIZING.search(node)]
    if not nodes:
        return LayerRole.QUANTIZE if _QUANTIZING.search(name) else LayerRole.OTHER
    return role_of(nodes[0], LayerKind.OTHER)
