"""What has to be trained for the comparison, once for all methods that need it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from ...datasets import paper_sizes
from ..face_variation import FaceSizes
from ..origin import OriginRole
from ..recipe import TrainRecipe, load_recipe
from ..stages import ExtractorConfig, Reweighting, SuperResolutionConfig

EXPERT_SIZES: tuple[int, ...] = (24, 16, 12, 8)
"""Native face sizes in pixels that the routed experts are trained for; full-size faces have the full-size model."""

EXPERT_EPOCHS = 5

PUBLISHED_SIDE = 100
"""Side of the faces in the paper, in pixels."""

LONGER_EPOCHS = 12
"""Further epochs of B1. Stage 2 of ours has more; over these, B1 gained nothing below 16 px any more."""


class Part(str, Enum):
    """A network of the comparison; the value is the name of its folder."""

    FULL_SIZE = "full-size"
    MIXED = "mixed"
    MIXED_LONGER = "mixed-longer"
    RESTORATION = "restoration"
    EXPERT_24 = "expert-24"
    EXPERT_16 = "expert-16"
    EXPERT_12 = "expert-12"
    EXPERT_8 = "expert-8"
    PAPER = "paper"
    PAPER_NO_ADVERSARIAL = "paper-no-adversarial"
    PAPER_NO_REWEIGHTING = "paper-no-reweighting"
    PAPER_NEITHER = "paper-neither"
    OURS = "edge"

    @property
    def needs(self) -> Part | None:
        """The part that it begins with."""
        if self in (Part.FULL_SIZE, Part.MIXED):
            return None
        return Part.MIXED if self in (Part.MIXED_LONGER, Part.OURS) else Part.FULL_SIZE


@dataclass(frozen=True)
class PartPlan:
    """How a part is trained by ``fit``.

    Attributes:
        recipe: Its recipe.
        role: What the part that it needs is taken for; None where it needs none.
    """

    recipe: TrainRecipe
    role: OriginRole | None = None


def plan_of(part: Part, native_px: int | None = None) -> PartPlan:
    """Return how a part is trained; :data:`Part.RESTORATION` has a training of its own.

    Args:
        part: Which one.
        native_px: Side of the data set's faces, whose whole factors the paper's method is trained on; None for the
            recipe's own sizes.
    """
    if part in (Part.FULL_SIZE, Part.MIXED):
        return PartPlan(load_recipe(part.value))
    if part is Part.OURS:
        return PartPlan(load_recipe(part.value), OriginRole.EXTRACTOR)
    if part is Part.MIXED_LONGER:
        return PartPlan(_longer(), OriginRole.INITIAL)
    if part.value.startswith("expert-"):
        return PartPlan(_expert(int(part.value.removeprefix("expert-"))), OriginRole.INITIAL)
    return PartPlan(_paper(part, native_px), OriginRole.EXTRACTOR)


def shortened(recipe: TrainRecipe, epochs: int) -> TrainRecipe:
    """Return a recipe with no stage longer than some epochs: to see that everything runs, not to compare anything."""
    first, second = recipe.extractor, recipe.super_resolution
    return replace(
        recipe,
        extractor=replace(first, epochs=min(first.epochs, epochs)),
        super_resolution=replace(
            second, epochs=min(second.epochs, epochs), pretrain_epochs=min(second.pretrain_epochs, epochs)
        ),
    )


def _longer() -> TrainRecipe:
    # What stage 2 of ours gains must not be what more epochs at its learning rate gain.
    base, ours = load_recipe(Part.MIXED.value), load_recipe(Part.OURS.value)
    extractor = replace(
        base.extractor,
        epochs=LONGER_EPOCHS,
        learning_rate=ours.super_resolution.extractor_learning_rate,
    )
    return replace(base, name=Part.MIXED_LONGER.value, extractor=extractor)


def _expert(size: int) -> TrainRecipe:
    # Fine-tuned from the full-size model at a third of its learning rate, on faces of one size.
    base = load_recipe(Part.FULL_SIZE.value)
    extractor: ExtractorConfig = replace(
        base.extractor,
        epochs=EXPERT_EPOCHS,
        learning_rate=base.extractor.learning_rate / 3,
        face_sizes=FaceSizes(choices=(size,), full_fraction=0.0),
    )
    validation = replace(base.validation, face_sizes=(size,))
    return replace(base, name=f"expert-{size}", extractor=extractor, validation=validation)


def _paper(part: Part, native_px: int | None) -> TrainRecipe:
    base = load_recipe("paper")
    stage: SuperResolutionConfig = base.super_resolution
    if native_px is not None:
        sizes = _factors_of(native_px, base.input_size)
        stage = replace(stage, face_sizes=replace(stage.face_sizes, choices=sizes))
    if part in (Part.PAPER_NO_ADVERSARIAL, Part.PAPER_NEITHER):
        stage = replace(stage, weights=replace(stage.weights, adversarial=0.0))
    if part in (Part.PAPER_NO_REWEIGHTING, Part.PAPER_NEITHER):
        stage = replace(stage, reweighting=Reweighting.NONE)
    return replace(base, name=part.value, super_resolution=stage)


def _factors_of(native_px: int, input_size: int) -> tuple[int, ...]:
    # Larger faces than the paper's would come out at full size at every factor, smaller ones than the input were
    # never at full size.
    full = min(max(native_px, input_size), PUBLISHED_SIDE)
    sizes = (min(size, input_size) for size in paper_sizes(full, range(2, 9)))
    return tuple(dict.fromkeys(sizes))
