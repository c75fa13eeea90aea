"""Backbone, generator, classifier, discriminator."""

from .architecture import BackboneConfig, ClassifierConfig, GeneratorConfig, GeneratorKind, NetworkConfig
from .cost import Cost, count_cost
from .discriminator import Discriminator
from .network import ExpressionNetwork, load_network, round_to_half, store_network

__all__ = [
    "BackboneConfig",
    "ClassifierConfig",
    "Cost",
    "Discriminator",
    "ExpressionNetwork",
    "GeneratorConfig",
    "GeneratorKind",
    "NetworkConfig",
    "count_cost",
    "load_network",
    "round_to_half",
    "store_network",
]
