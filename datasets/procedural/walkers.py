"""People of a crowd: who they are, where they walk, what they show."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .expressions import LABELS, ActionUnits, sample_action_units
from .identity import Circumstances, Identity, sample_circumstances, sample_identity

_HELD_S = 2.4  # how long a person keeps an expression
_DEPTH_RANGE = 0.06  # how far a person comes nearer and goes away, as a fraction of the hall's depth
_DEPTH_PERIOD_S = 9.0
_TURN = 0.97  # below 1: people slow down before they turn, instead of bouncing


@dataclass(frozen=True)
class Hall:
    """The space that people walk in.

    Attributes:
        width: Columns of the frame.
        height: Rows of the frame.
        head_px: Height of the farthest and of the nearest head in pixels.
    """

    width: int
    height: int
    head_px: tuple[float, float]

    @property
    def horizon(self) -> float:
        """Row of the vanishing point; a camera above the heads sees them all below it."""
        return 0.14 * self.height

    def head_px_of(self, nearness: float) -> float:
        """Return the height of a head, from 0 at the far wall to 1 next to the camera."""
        return float(self.head_px[0] * (self.head_px[1] / self.head_px[0]) ** nearness)

    def head_row(self, head_px: float) -> float:
        """Return the row of a head's middle: heads of one height lie on lines through the vanishing point."""
        return self.horizon + (0.68 * self.height - self.horizon) * head_px / self.head_px[1]


@dataclass(frozen=True)
class Placement:
    """Where a person is at one moment.

    Attributes:
        center: Middle of the head in pixels, x and y.
        head_px: Height of the head in pixels.
        step: Phase of the walk in radians.
        heading: -1 for full speed to the left, 1 for full speed to the right.
        moment: Which of the person's expressions is shown.
    """

    center: tuple[float, float]
    head_px: float
    step: float
    heading: float
    moment: int


@dataclass(frozen=True)
class Walker:
    """One person of a crowd. Phases are in radians.

    Attributes:
        person: Who.
        circumstances: Light and pose.
        nearness: 0 at the far wall, 1 next to the camera.
        depth_phase: Phase of coming and going.
        tallness: Height relative to the others'.
        speed: In head heights a second.
        path_phase: Phase of walking to and fro.
        step_phase: Phase of the steps.
        change_s: Time until the first expression is replaced, in seconds.
        expressions: What the person shows one after another, indices into ``LABELS``.
        units: The same as action units.
    """

    person: Identity
    circumstances: Circumstances
    nearness: float
    depth_phase: float
    tallness: float
    speed: float
    path_phase: float
    step_phase: float
    change_s: float
    expressions: tuple[int, ...]
    units: tuple[ActionUnits, ...]

    def placement(self, time_s: float, hall: Hall) -> Placement:
        """Return where the person is, a smooth function of time."""
        nearness = self.nearness + _DEPTH_RANGE * float(np.sin(2 * np.pi * time_s / _DEPTH_PERIOD_S + self.depth_phase))
        size = hall.head_px_of(nearness)
        reach = max(0.0, hall.width / 2 - size)
        # A triangle wave with rounded corners.
        phase = self.path_phase + 0.5 * np.pi * self.speed * size * time_s / max(reach, 1.0)
        x = hall.width / 2 + reach * float(np.arcsin(_TURN * np.sin(phase)) / np.arcsin(_TURN))
        step = self.step_phase + 2 * np.pi * 0.9 * time_s
        bob = 0.03 * size * float(np.cos(2 * step))
        return Placement(
            center=(x, hall.head_row(size) + (1.0 - self.tallness) * 6.0 * size + bob),
            head_px=size,
            step=step,
            heading=float(np.cos(phase)),
            moment=int((time_s + _HELD_S - self.change_s) / _HELD_S) % len(self.expressions),
        )


def sample_walker(rng: np.random.Generator, seconds: float, light_angle: float) -> Walker:
    """Draw a person of a crowd.

    Args:
        rng: Source of randomness.
        seconds: Length of the clip.
        light_angle: Where the hall's light comes from, in radians.
    """
    expressions = tuple(int(label) for label in rng.integers(len(LABELS), size=int(seconds / _HELD_S) + 2))
    circumstances = replace(
        sample_circumstances(rng),
        occlusion=0.0,
        shift=(0.0, 0.0),
        zoom=1.0,
        roll=0.0,
        exposure=1.0,
        light_angle=light_angle,
    )
    return Walker(
        person=sample_identity(rng),
        circumstances=circumstances,
        nearness=_DEPTH_RANGE + (1 - 2 * _DEPTH_RANGE) * rng.random() ** 1.5,
        depth_phase=rng.uniform(0, 2 * np.pi),
        tallness=rng.uniform(0.95, 1.05),
        speed=rng.uniform(0.2, 1.0),
        path_phase=rng.uniform(0, 2 * np.pi),
        step_phase=rng.uniform(0, 2 * np.pi),
        change_s=rng.uniform(0, _HELD_S),
        expressions=expressions,
        units=tuple(sample_action_units(LABELS[label], rng) for label in expressions),
    )
