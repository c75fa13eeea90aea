"""Shapes, costs, the generators' promises, and the way into a bundle and back."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from fsrfer.core import BundleManifest, GraphSpec, ModelBundle, PreprocessSpec, Provenance
from fsrfer.core.errors import BundleError, RecipeError
from fsrfer.core.schema import to_mapping
from fsrfer.training import load_recipe
from fsrfer.training.models import (
    BackboneConfig,
    Discriminator,
    ExpressionNetwork,
    GeneratorConfig,
    GeneratorKind,
    NetworkConfig,
    count_cost,
    load_network,
    round_to_half,
    store_network,
)

TINY = NetworkConfig(3, 16, 5, backbone=BackboneConfig(4, (6, 8), 1))
NO_GENERATOR = GeneratorConfig(kind=GeneratorKind.NONE)


def tiny(kind: GeneratorKind, **options) -> ExpressionNetwork:
    torch.manual_seed(0)
    generator = GeneratorConfig(kind=kind, channels=8, growth=4, blocks=1, **options)
    return ExpressionNetwork(replace(TINY, generator=generator)).eval()


def faces(count: int = 3, channels: int = 3, size: int = 16) -> torch.Tensor:
    return torch.randint(0, 256, (count, channels, size, size), dtype=torch.uint8)


@pytest.mark.parametrize("kind", list(GeneratorKind))
def test_faces_become_logits(kind):
    network = tiny(kind)
    logits = network(faces(), torch.tensor([16.0, 8.0, 4.0]))
    assert logits.shape == (3, 5)
    assert network.extract(faces()).shape == (3, 8, 4, 4)


def test_the_edge_recipe_fits_the_edge():
    recipe = load_recipe("edge")
    config = NetworkConfig(1, 48, 8, recipe.backbone, recipe.generator, recipe.classifier, mirrored=recipe.mirrored)
    cost = count_cost(ExpressionNetwork(config))
    assert cost.parameters <= 2_000_000
    assert cost.macs <= 150_000_000


def test_an_untrained_size_conditioned_backbone_changes_nothing():
    config = replace(TINY, backbone=replace(TINY.backbone, size_conditioned=True), generator=NO_GENERATOR)
    plain = tiny(GeneratorKind.NONE)
    told = ExpressionNetwork(config).eval()
    told.load_state_dict(plain.state_dict(), strict=False)
    assert told.needs_face_size
    assert not plain.needs_face_size
    sizes = torch.tensor([16.0, 8.0, 4.0])
    torch.testing.assert_close(told(batch := faces(), sizes), plain(batch))


def test_a_trained_size_conditioned_backbone_depends_on_each_faces_own_size():
    config = replace(TINY, backbone=replace(TINY.backbone, size_conditioned=True), generator=NO_GENERATOR)
    network = ExpressionNetwork(config).eval()
    torch.nn.init.normal_(network.backbone.modulation.layers[-1].weight)
    batch = faces(1).repeat(3, 1, 1, 1)
    first, second, third = network(batch, torch.tensor([16.0, 5.0, 16.0]))
    torch.testing.assert_close(first, third)
    assert not torch.allclose(first, second)
    with pytest.raises(ValueError, match="needs the size"):
        network(batch)


def test_a_mirrored_network_reads_a_face_and_its_mirror_image_alike():
    plain = tiny(GeneratorKind.RESIDUAL)
    mirrored = ExpressionNetwork(replace(plain.config, mirrored=True)).eval()
    mirrored.load_state_dict(plain.state_dict())
    batch, sizes = faces(), torch.tensor([16.0, 8.0, 4.0])
    expected = 0.5 * (plain(batch, sizes) + plain(batch.flip(3), sizes))
    torch.testing.assert_close(mirrored(batch, sizes), expected)
    torch.testing.assert_close(mirrored(batch.flip(3), sizes), expected)
    assert count_cost(mirrored).macs == 2 * count_cost(plain).macs
    # In training it sees what it is given: the augmentation mirrors already.
    trained = []
    for network in (plain.train(), mirrored.train()):
        torch.manual_seed(1)  # dropout
        trained.append(network(batch, sizes))
    torch.testing.assert_close(*trained)


def test_rounding_to_half_keeps_what_the_bundle_keeps():
    network = tiny(GeneratorKind.RESIDUAL)
    before = network.state_dict()["backbone.stem.0.weight"].clone()
    round_to_half(network)
    after = network.state_dict()["backbone.stem.0.weight"]
    assert after.dtype == torch.float32
    torch.testing.assert_close(after, before, rtol=2**-11, atol=1e-7)
    torch.testing.assert_close(after, after.half().float(), rtol=0, atol=0)


def test_weights_beyond_half_precision_are_refused():
    network = tiny(GeneratorKind.NONE)
    with torch.no_grad():
        network.classifier.predict.bias[0] = 1e6
    with pytest.raises(BundleError, match=r"classifier\.predict\.bias cannot be kept"):
        round_to_half(network)


def test_cost_of_a_network_counted_by_hand():
    config = NetworkConfig(1, 4, 2, backbone=BackboneConfig(2, (3,), 1), generator=GeneratorConfig(GeneratorKind.NONE))
    cost = count_cost(ExpressionNetwork(config))
    stem = 9 * 1 * 2 * 16
    block = 9 * 2 * 3 * 4 + 9 * 3 * 3 * 4 + 2 * 3 * 4
    head = 3 * 128 + 128 * 2
    assert cost.macs == stem + block + head


def test_an_untrained_residual_generator_changes_nothing():
    network = tiny(GeneratorKind.RESIDUAL)
    features = network.extract(faces())
    torch.testing.assert_close(network.super_resolve(features, torch.tensor([4.0, 8.0, 16.0])), features)


def test_a_trained_residual_generator_depends_on_the_face_size():
    network = tiny(GeneratorKind.RESIDUAL)
    torch.nn.init.normal_(network.generator.leave.weight)
    torch.nn.init.normal_(network.generator.modulation.layers[-1].weight)
    features = network.extract(faces(1))
    small, large = (network.super_resolve(features, torch.tensor([size])) for size in (4.0, 16.0))
    assert not torch.allclose(small, large)


@pytest.mark.parametrize("shift", [-1e3, 0.0, 1e3])
def test_no_shift_for_the_size_cuts_the_residual_generator_off(shift):
    network = tiny(GeneratorKind.RESIDUAL).train()
    torch.nn.init.normal_(network.generator.leave.weight)
    channels = network.generator.leave.in_channels
    with torch.no_grad():
        network.generator.modulation.layers[-1].bias.view(-1, 2, channels)[:, 1] = shift
    sizes = torch.tensor([16.0, 8.0, 4.0])
    features = network.extract(faces(), sizes).detach().requires_grad_()
    inner = network.generator.enter(features)
    for block, (scale, moved) in zip(network.generator.blocks, network.generator.modulation(sizes / 16), strict=True):
        inner = block(inner) * scale + moved
    network.generator.leave(inner).square().sum().backward()
    assert features.grad.abs().max() > 0
    assert all(block[0].weight.grad.abs().max() > 0 for block in network.generator.blocks)


def test_the_papers_generator_draws_features_anew():
    network = tiny(GeneratorKind.RRDB)
    features = network.extract(faces())
    assert not torch.allclose(network.super_resolve(features, None), features)
    assert not network.needs_face_size


def test_the_papers_generator_has_its_published_size():
    recipe = load_recipe("paper").generator
    network = ExpressionNetwork(NetworkConfig(1, 48, 7, generator=recipe))
    trunk = sum(parameter.numel() for parameter in network.generator.trunk.parameters())
    assert trunk == pytest.approx(1.06e6, rel=0.05)


def test_full_size_faces_bypass_the_generator_one_by_one():
    network = tiny(GeneratorKind.RRDB, bypass_full_size=True)
    features = network.extract(faces())
    result = network.super_resolve(features, torch.tensor([16.0, 15.0, 40.0]))
    generated = network.generator(features, None)
    torch.testing.assert_close(result[[0, 2]], features[[0, 2]])
    torch.testing.assert_close(result[1], generated[1])
    assert network.needs_face_size


def test_a_missing_face_size_is_no_silent_default():
    for network in (tiny(GeneratorKind.RESIDUAL), tiny(GeneratorKind.RRDB, bypass_full_size=True)):
        with pytest.raises(ValueError, match="needs the size"):
            network(faces())


@pytest.mark.parametrize("size", [3, 6, 12])
def test_the_discriminator_scores_feature_maps_of_any_size(size):
    assert Discriminator(8, size)(torch.randn(2, 8, size, size)).shape == (2,)


@pytest.mark.parametrize("change", [{"input_size": 18}, {"input_channels": 2}])
def test_impossible_networks_are_refused(change):
    with pytest.raises(RecipeError, match="cannot be built"):
        replace(TINY, **change)


def bundle_of(path, network: ExpressionNetwork) -> ModelBundle:
    manifest = BundleManifest(
        name="tiny",
        labels=("a", "b", "c", "d", "e"),
        preprocess=PreprocessSpec(16, 16),
        graph=GraphSpec(),
        architecture=to_mapping(network.config),
        recipe={},
        provenance=Provenance.now(seed=0, dataset_ids=()),
    )
    return store_network(ModelBundle.create(path, manifest), network)


@pytest.mark.parametrize("kind", list(GeneratorKind))
def test_a_network_comes_back_from_its_bundle(tmp_path, kind):
    network = tiny(kind)
    round_to_half(network)
    bundle_of(tmp_path, network)
    again = load_network(ModelBundle.load(tmp_path))
    batch, sizes = faces(), torch.tensor([16.0, 8.0, 4.0])
    torch.testing.assert_close(again(batch, sizes), network(batch, sizes), rtol=0, atol=0)


def test_weights_of_another_architecture_are_refused(tmp_path):
    network = tiny(GeneratorKind.NONE)
    bundle = bundle_of(tmp_path, network)
    bundle.record(architecture=to_mapping(tiny(GeneratorKind.RESIDUAL).config))
    with pytest.raises(BundleError, match="does not fit the architecture"):
        load_network(ModelBundle.load(tmp_path))
