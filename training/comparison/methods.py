"""The methods of the comparison, each as one network from a face and its size to logits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass, replace
from enum import Enum

from torch import nn

from ..models.network import ExpressionNetwork
from .parts import EXPERT_SIZES, Part
from .restoring import RestoringClassifier
from .voting import VotingNetwork


class Kind(str, Enum):
    """What a method stands for in the table."""

    BASELINE = "baseline"
    """What ours is measured against, the paper's method among them."""

    ABLATION = "ablation"
    """A variant of another method, to see what a part of it is worth."""

    OURS = "ours"


@dataclass(frozen=True)
class Method:
    """A row of the table.

    Attributes:
        key: Short name, for the command line and files.
        title: What the table calls it.
        kind: What it stands for.
        parts: What has to be trained for it.
        assemble: From its trained parts and a native face size to the network that reads faces of that size, in
            evaluation mode: faces, uint8 (N, C, H, W), and sizes, float32 (N,), to logits, float32 (N, K).
    """

    key: str
    title: str
    kind: Kind
    parts: tuple[Part, ...]
    assemble: Callable[[Mapping[Part, nn.Module], int], nn.Module]


def _alone(part: Part) -> Callable[[Mapping[Part, nn.Module], int], nn.Module]:
    return lambda parts, size: parts[part]  # noqa: ARG005 - the seam's signature


def _voting(part: Part) -> Callable[[Mapping[Part, nn.Module], int], nn.Module]:
    def assemble(parts: Mapping[Part, nn.Module], size: int) -> nn.Module:  # noqa: ARG001 - the seam's signature
        return VotingNetwork(_expression_network(parts[part])).eval()

    return assemble


def _mirrored(part: Part) -> Callable[[Mapping[Part, nn.Module], int], nn.Module]:
    def assemble(parts: Mapping[Part, nn.Module], size: int) -> nn.Module:  # noqa: ARG001 - the seam's signature
        network = copy(_expression_network(parts[part]))  # of the same weights
        network.config = replace(network.config, mirrored=True)
        return network

    return assemble


def _restored(parts: Mapping[Part, nn.Module], size: int) -> nn.Module:  # noqa: ARG001 - the seam's signature
    restoring = parts[Part.RESTORATION]
    if not isinstance(restoring, RestoringClassifier):
        raise TypeError("the restoration is stored together with its classifier")
    return restoring


def expert_for(size: int, full: int) -> Part:
    """Return who reads faces of a size: the expert whose size is nearest in ratio; in doubt, that of the larger one.

    Args:
        size: Native face size in pixels.
        full: Side of the model's input, the size of the full-size model.
    """
    sizes = (full, *(expert for expert in EXPERT_SIZES if expert < full))
    nearest = min(sizes, key=lambda expert: max(expert / size, size / expert))
    return Part.FULL_SIZE if nearest == full else Part(f"expert-{nearest}")


def _routed(parts: Mapping[Part, nn.Module], size: int) -> nn.Module:
    return parts[expert_for(size, _expression_network(parts[Part.FULL_SIZE]).config.input_size)]


def _expression_network(network: nn.Module) -> ExpressionNetwork:
    if not isinstance(network, ExpressionNetwork):
        raise TypeError(f"an expression network was expected, not {type(network).__name__}")
    return network


_EXPERTS = tuple(Part(f"expert-{size}") for size in EXPERT_SIZES)

METHODS: tuple[Method, ...] = (
    Method("full-size", "B0 full-size model", Kind.BASELINE, (Part.FULL_SIZE,), _alone(Part.FULL_SIZE)),
    Method("mixed", "B1 mixed resolutions", Kind.BASELINE, (Part.MIXED,), _alone(Part.MIXED)),
    Method("mixed-mirrored", "B1 and its mirror image", Kind.BASELINE, (Part.MIXED,), _mirrored(Part.MIXED)),
    Method("mixed-longer", "B1 for 12 epochs more", Kind.BASELINE, (Part.MIXED_LONGER,), _alone(Part.MIXED_LONGER)),
    Method(
        "restoration",
        "B2 image super-resolution",
        Kind.BASELINE,
        (Part.FULL_SIZE, Part.RESTORATION),
        _restored,
    ),
    Method("experts", "B3 routed experts", Kind.BASELINE, (Part.FULL_SIZE, *_EXPERTS), _routed),
    Method("voting", "B4 voting, 10 views of B0", Kind.BASELINE, (Part.FULL_SIZE,), _voting(Part.FULL_SIZE)),
    Method("voting-mixed", "B4 voting, 10 views of B1", Kind.BASELINE, (Part.MIXED,), _voting(Part.MIXED)),
    Method("paper", "P FSR-FER", Kind.BASELINE, (Part.PAPER,), _alone(Part.PAPER)),
    Method(
        "paper-no-adversarial",
        "P without adversarial term",
        Kind.ABLATION,
        (Part.PAPER_NO_ADVERSARIAL,),
        _alone(Part.PAPER_NO_ADVERSARIAL),
    ),
    Method(
        "paper-no-reweighting",
        "P without re-weighting",
        Kind.ABLATION,
        (Part.PAPER_NO_REWEIGHTING,),
        _alone(Part.PAPER_NO_REWEIGHTING),
    ),
    Method("paper-neither", "P without both", Kind.ABLATION, (Part.PAPER_NEITHER,), _alone(Part.PAPER_NEITHER)),
    Method("edge", "Ours", Kind.OURS, (Part.OURS,), _alone(Part.OURS)),
)
"""All rows, in the order of the table."""
