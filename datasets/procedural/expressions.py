"""Expressions as facial action units.

The prototypes follow the usual FACS descriptions of the seven expressions (Ekman and Friesen; EMFACS). An action
unit here is a number from 0 (absent) to 1 (strong) that moves drawn brows, lids, nose and lips.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from types import MappingProxyType

import numpy as np

LABELS: tuple[str, ...] = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear")


@dataclass(frozen=True)
class ActionUnits:
    """Strength of each action unit, 0 to 1; the number in FACS stands in the comment.

    Attributes:
        inner_brow_raise: AU 1.
        outer_brow_raise: AU 2.
        brow_lower: AU 4.
        upper_lid_raise: AU 5.
        cheek_raise: AU 6.
        lid_tighten: AU 7.
        nose_wrinkle: AU 9.
        upper_lip_raise: AU 10.
        lip_corner_pull: AU 12.
        lip_corner_depress: AU 15.
        chin_raise: AU 17.
        lip_stretch: AU 20.
        lip_tighten: AU 23.
        lips_part: AU 25.
        jaw_drop: AU 26.
    """

    inner_brow_raise: float = 0.0
    outer_brow_raise: float = 0.0
    brow_lower: float = 0.0
    upper_lid_raise: float = 0.0
    cheek_raise: float = 0.0
    lid_tighten: float = 0.0
    nose_wrinkle: float = 0.0
    upper_lip_raise: float = 0.0
    lip_corner_pull: float = 0.0
    lip_corner_depress: float = 0.0
    chin_raise: float = 0.0
    lip_stretch: float = 0.0
    lip_tighten: float = 0.0
    lips_part: float = 0.0
    jaw_drop: float = 0.0


PROTOTYPES = MappingProxyType(
    {
        "neutral": ActionUnits(),
        "happiness": ActionUnits(cheek_raise=0.9, lip_corner_pull=1.0, lips_part=0.6),
        "surprise": ActionUnits(
            inner_brow_raise=1.0, outer_brow_raise=1.0, upper_lid_raise=0.8, lips_part=0.7, jaw_drop=0.7
        ),
        "sadness": ActionUnits(inner_brow_raise=0.9, brow_lower=0.2, lip_corner_depress=1.0, chin_raise=0.6),
        "anger": ActionUnits(brow_lower=1.0, upper_lid_raise=0.35, lid_tighten=0.8, lip_tighten=0.9, chin_raise=0.2),
        "disgust": ActionUnits(
            brow_lower=0.45,
            cheek_raise=0.4,
            nose_wrinkle=1.0,
            upper_lip_raise=1.0,
            lip_corner_depress=0.35,
            lips_part=0.35,
        ),
        "fear": ActionUnits(
            inner_brow_raise=1.0,
            outer_brow_raise=0.45,
            brow_lower=0.55,
            upper_lid_raise=1.0,
            lip_stretch=1.0,
            lips_part=0.8,
            jaw_drop=0.2,
        ),
    }
)
"""Each expression at full strength."""


def sample_action_units(expression: str, rng: np.random.Generator) -> ActionUnits:
    """Return an expression as one person shows it at one moment.

    Its strength varies, each action unit varies besides, and every face has a little of everything.

    Args:
        expression: One of :data:`LABELS`.
        rng: Source of randomness; draws the same number of values for every expression.
    """
    prototype = PROTOTYPES[expression]
    names = [field.name for field in fields(ActionUnits)]
    strength = rng.uniform(0.75, 1.0)
    own = rng.uniform(0.8, 1.15, size=len(names))
    stray = rng.uniform(-0.04, 0.1, size=len(names))
    # Mouths open more or less within every expression, so that an open mouth alone decides nothing.
    opening = rng.uniform(0.0, 0.5) * (rng.random() < 0.3)
    values = {
        name: float(np.clip(getattr(prototype, name) * strength * own[index] + stray[index], 0.0, 1.0))
        for index, name in enumerate(names)
    }
    units = ActionUnits(**values)
    return replace(units, lips_part=min(1.0, units.lips_part + opening))
