"""Who reads which face, and what has to be trained for it."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from fsrfer.training.comparison.methods import METHODS, Kind, expert_for
from fsrfer.training.comparison.parts import EXPERT_SIZES, LONGER_EPOCHS, Part, plan_of, shortened
from fsrfer.training.comparison.restoring import RestorationNetwork, RestoringClassifier
from fsrfer.training.comparison.voting import VotingNetwork
from fsrfer.training.models import BackboneConfig, ExpressionNetwork, NetworkConfig
from fsrfer.training.origin import OriginRole
from fsrfer.training.recipe import load_recipe
from fsrfer.training.stages import Reweighting

NETWORK = ExpressionNetwork(NetworkConfig(1, 48, 3, BackboneConfig(4, (6, 8), 1)))


def parts() -> dict[Part, nn.Module]:
    made: dict[Part, nn.Module] = {part: ExpressionNetwork(NETWORK.config).eval() for part in Part}
    made[Part.RESTORATION] = RestoringClassifier(RestorationNetwork(1, 8, 1), NETWORK)
    return made


def test_keys_are_different_and_all_parts_are_used():
    assert len({method.key for method in METHODS}) == len(METHODS)
    assert {part for method in METHODS for part in method.parts} == set(Part)
    assert [method.key for method in METHODS if method.kind is Kind.OURS] == ["edge"]


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.key)
def test_every_method_is_assembled_from_its_own_parts(method):
    everything = parts()
    own = {part: everything[part] for part in method.parts}
    networks = {size: method.assemble(own, size) for size in (48, 24, 16, 12, 8)}
    if method.key == "experts":
        assert [networks[size] for size in networks] == [
            own[Part.FULL_SIZE], own[Part.EXPERT_24], own[Part.EXPERT_16], own[Part.EXPERT_12], own[Part.EXPERT_8]
        ]  # fmt: skip
    elif method.key.startswith("voting"):
        assert all(isinstance(network, VotingNetwork) for network in networks.values())
    elif method.key == "mixed-mirrored":
        mixed = own[Part.MIXED]
        faces = torch.randint(0, 256, (3, 1, 48, 48), dtype=torch.uint8)
        sizes = torch.tensor([8.0, 16.0, 48.0])
        both = (mixed(faces, sizes) + mixed(faces.flip(3), sizes)) / 2
        assert all(torch.allclose(network(faces, sizes), both, atol=1e-5) for network in networks.values())
        assert not torch.allclose(mixed(faces, sizes), both, atol=1e-5)  # B1 itself is as it was
    else:
        assert set(networks.values()) == {own[method.parts[-1]]}


@pytest.mark.parametrize(
    ("size", "expert"),
    [(200, "full-size"), (48, "full-size"), (34, "full-size"), (33, "expert-24"), (20, "expert-24"),
     (19, "expert-16"), (10, "expert-12"), (9, "expert-8"), (3, "expert-8")],
)  # fmt: skip
def test_a_face_is_routed_to_the_expert_of_the_nearest_size(size, expert):
    assert expert_for(size, 48) is Part(expert)


def test_experts_above_the_input_size_do_not_exist():
    assert expert_for(24, 24) is Part.FULL_SIZE


def test_the_longer_baseline_goes_on_at_the_learning_rate_of_ours_from_the_same_start():
    ours, longer = plan_of(Part.OURS), plan_of(Part.MIXED_LONGER)
    assert Part.OURS.needs is Part.MIXED_LONGER.needs is Part.MIXED
    assert longer.role is OriginRole.INITIAL
    assert longer.recipe.extractor.epochs == LONGER_EPOCHS
    assert longer.recipe.extractor.learning_rate == ours.recipe.super_resolution.extractor_learning_rate
    assert longer.recipe.extractor.face_sizes == plan_of(Part.MIXED).recipe.extractor.face_sizes


def test_the_papers_variants_differ_in_one_thing_each():
    weights = {part: plan_of(part).recipe.super_resolution for part in Part if part.value.startswith("paper")}
    assert weights[Part.PAPER] == load_recipe("paper").super_resolution
    adversarial = {part: stage.weights.adversarial > 0 for part, stage in weights.items()}
    reweighted = {part: stage.reweighting is Reweighting.CLASSIFICATION_AWARE for part, stage in weights.items()}
    assert adversarial == {
        Part.PAPER: True, Part.PAPER_NO_ADVERSARIAL: False, Part.PAPER_NO_REWEIGHTING: True, Part.PAPER_NEITHER: False
    }  # fmt: skip
    assert reweighted == {
        Part.PAPER: True, Part.PAPER_NO_ADVERSARIAL: True, Part.PAPER_NO_REWEIGHTING: False, Part.PAPER_NEITHER: False
    }  # fmt: skip


def test_who_begins_with_which_model():
    roles = {part: plan_of(part).role for part in Part if part is not Part.RESTORATION}
    assert roles.pop(Part.FULL_SIZE) is None
    assert roles.pop(Part.MIXED) is None
    experts = {Part(f"expert-{size}") for size in EXPERT_SIZES}
    initial = {*experts, Part.MIXED_LONGER}
    assert {part for part, role in roles.items() if role is OriginRole.INITIAL} == initial
    assert {part for part, role in roles.items() if role is OriginRole.EXTRACTOR} == set(roles) - initial
    from_mixed = {Part.MIXED_LONGER, Part.OURS}
    assert all(part.needs is Part.MIXED for part in from_mixed)
    assert all(part.needs is Part.FULL_SIZE for part in {*roles, Part.RESTORATION} - from_mixed)


def test_an_expert_is_trained_and_judged_at_its_size():
    recipe = plan_of(Part.EXPERT_12).recipe
    assert recipe.extractor.face_sizes.choices == (12,)
    assert recipe.extractor.face_sizes.full_fraction == 0
    assert recipe.validation.face_sizes == (12,)
    assert recipe.extractor.learning_rate < load_recipe("full-size").extractor.learning_rate


def test_a_shortened_recipe_has_no_longer_stage():
    short = shortened(load_recipe("paper"), 2)
    assert (short.extractor.epochs, short.super_resolution.pretrain_epochs, short.super_resolution.epochs) == (2, 2, 2)
    assert shortened(load_recipe("full-size"), 2).super_resolution.epochs == 0


@pytest.mark.parametrize(
    ("native_px", "sizes"),
    [
        (None, (24, 16, 12, 10, 8, 7, 6)),
        (48, (24, 16, 12, 10, 8, 7, 6)),
        (100, (48, 34, 25, 20, 17, 15, 13)),
        (64, (32, 22, 16, 13, 11, 10, 8)),
        (30, (24, 16, 12, 10, 8, 7, 6)),  # never more than the input holds
        (400, (48, 34, 25, 20, 17, 15, 13)),  # nor less small than in the paper
    ],
)
def test_the_papers_method_is_trained_on_the_factors_that_it_is_judged_at(native_px, sizes):
    for part in (Part.PAPER, Part.PAPER_NEITHER):
        assert plan_of(part, native_px).recipe.super_resolution.face_sizes.choices == sizes
    assert plan_of(Part.OURS, native_px) == plan_of(Part.OURS)
