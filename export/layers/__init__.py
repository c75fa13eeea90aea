"""Times of a graph's layers, by names that a person knows, against what the machine could do."""

from .measuring import LayerConfig, measure_layers, profile_layers

__all__ = ["LayerConfig", "measure_layers", "profile_layers"]
