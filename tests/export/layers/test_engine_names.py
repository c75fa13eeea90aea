"""Names of an engine's layers."""

from __future__ import annotations

import pytest

from fsrfer.export.layers.engine_names import engine_layer_name, engine_layer_role
from fsrfer.runtime.profiling.layer_report import LayerRole


@pytest.mark.parametrize(
    ("name", "said", "role"),
    [
        ("backbone.stem.0 + backbone.stem.2.relu", "backbone stem and 1 more", LayerRole.BACKBONE),
        ("generator.blocks.1.0", "generator block 2", LayerRole.GENERATOR),
        ("PWN(PWN(normalize.cast), normalize.mul)", "normalise cast and 1 more", LayerRole.NORMALIZE),
        ("backbone.modulation.layers.0", "backbone modulation layer 1", LayerRole.SIZE_CONDITION),
        ("Reformatting CopyNode for Input Tensor 0 to backbone.stem.0", "change of layout", LayerRole.LAYOUT),
        ("relu_7_QuantizeLinear", "relu_7_QuantizeLinear", LayerRole.QUANTIZE),
        ("__myl_Fc_0x1", "__myl_Fc_0x1", LayerRole.OTHER),
    ],
)
def test_layers_are_called_after_their_nodes(name, said, role):
    assert engine_layer_name(name) == said
    assert engine_layer_role(name) is role
