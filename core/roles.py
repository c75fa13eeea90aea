"""Which part of a model a node of its graph belongs to; the exporter names nodes after their modules."""

from __future__ import annotations

from enum import Enum


class Role(str, Enum):
    """A part of the model."""

    BACKBONE = "backbone"
    GENERATOR = "generator"
    CLASSIFIER = "classifier"
    OTHER = "other"
    """Normalisation, the mirror image, the softmax; and every node of a graph that fsrfer did not export."""


def role_of(node_name: str) -> Role:
    """Return the part of the model that a node belongs to, by its name, such as ``generator.blocks.0``."""
    first = node_name.partition(".")[0]
    return Role(first) if first in {role.value for role in Role} else Role.OTHER
