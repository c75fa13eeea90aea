"""Layers that treat a piece of a batch as a part of the whole."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from fsrfer.training.batch_rows import rows_of_process
from fsrfer.training.distributed import ALONE, Processes
from fsrfer.training.models import BackboneConfig, ClassifierConfig, ExpressionNetwork, GeneratorConfig, NetworkConfig
from fsrfer.training.whole_batch import (
    SynchronizedBatchNorm2d,
    WholeBatchDropout,
    see_whole_batches,
    show_rows,
)


def network() -> ExpressionNetwork:
    torch.manual_seed(0)
    return ExpressionNetwork(
        NetworkConfig(
            1, 16, 3, BackboneConfig(4, (6, 8), 1), GeneratorConfig(channels=4), ClassifierConfig(dropout=0.3)
        )
    )


@pytest.mark.parametrize("p", [0.2, 0.5])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_parts_of_a_batch_drop_what_the_whole_drops(p, dtype):
    faces = torch.randn(11, 6, dtype=dtype)
    torch.manual_seed(4)
    expected = nn.Dropout(p).train()(faces)
    assert (expected == 0).any()
    layer = WholeBatchDropout(p).train()
    for rank in range(3):
        (rows,) = rows_of_process(11, 1, rank, 3)
        torch.manual_seed(4)
        show_rows(layer, rows)
        assert torch.equal(layer(faces[rows.slice]), expected[rows.slice])


def test_dropout_refuses_faces_that_are_not_those_it_was_told_of():
    layer = WholeBatchDropout(0.5).train()
    with pytest.raises(ValueError, match="4 faces are not those of None"):
        layer(torch.ones(4, 2))
    show_rows(layer, rows_of_process(8, 1, 0, 2)[0])
    with pytest.raises(ValueError, match="5 faces"):
        layer(torch.ones(5, 2))
    assert torch.equal(layer.eval()(torch.ones(5, 2)), torch.ones(5, 2))


def test_a_network_that_nothing_divides_stays_as_it_is():
    module = network()
    layers = [type(part) for part in module.modules()]
    see_whole_batches(module, ALONE, 1)
    assert [type(part) for part in module.modules()] == layers


def test_replaced_layers_keep_weights_names_and_mode():
    module, changed = network().eval(), network().eval()
    see_whole_batches(changed, Processes(0, 2), 1)
    assert changed.state_dict().keys() == module.state_dict().keys()
    assert all(torch.equal(value, changed.state_dict()[name]) for name, value in module.state_dict().items())
    kinds = [type(part) for part in changed.modules()]
    assert nn.BatchNorm2d not in kinds
    assert nn.Dropout not in kinds
    assert SynchronizedBatchNorm2d in kinds
    assert not any(part.training for part in changed.modules())
    faces = torch.randint(0, 256, (5, 1, 16, 16), dtype=torch.uint8)
    sizes = torch.full((5,), 9.0)
    assert torch.equal(changed(faces, sizes), module(faces, sizes))
    # What the average of the weights is made of.
    assert torch.equal(copy.deepcopy(changed)(faces, sizes), module(faces, sizes))


def test_pieces_move_running_averages_as_far_as_a_whole_batch():
    """Of equal pieces: after a step the past weighs what it would have."""
    module = network()
    before = next(part for part in module.modules() if isinstance(part, nn.BatchNorm2d)).momentum
    see_whole_batches(module, ALONE, 3)
    layer = next(part for part in module.modules() if isinstance(part, nn.BatchNorm2d))
    layer.train()
    layer.running_mean.fill_(5.0)
    for _ in range(3):
        layer(torch.zeros(4, layer.num_features, 2, 2))
    torch.testing.assert_close(layer.running_mean, torch.full_like(layer.running_mean, 5.0 * (1.0 - before)))
