"""Appearance of drawn people, and the circumstances of a picture of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt

Color = tuple[float, float, float]
"""RGB, 0 to 255."""

_SKINS: tuple[Color, ...] = (
    (255, 224, 196),
    (241, 194, 160),
    (226, 172, 130),
    (198, 140, 100),
    (150, 100, 66),
    (108, 70, 46),
    (90, 60, 45),
)
_HAIRS: tuple[Color, ...] = (
    (28, 22, 20),
    (60, 40, 28),
    (105, 70, 42),
    (165, 120, 70),
    (205, 170, 115),
    (140, 60, 34),
    (170, 168, 166),
)
_IRISES: tuple[Color, ...] = ((60, 38, 22), (90, 60, 34), (70, 92, 60), (70, 100, 130))


class HairStyle(str, Enum):
    """Cut of the hair."""

    BALD = "bald"
    SHORT = "short"
    PARTED = "parted"
    CURLY = "curly"
    LONG = "long"
    CAP = "cap"


@dataclass(frozen=True)
class Identity:
    """What stays the same about a person. Lengths are in half heights of the head.

    Attributes:
        skin: Colour of the skin.
        hair: Colour of hair and brows.
        hair_style: Cut of the hair.
        iris: Colour of the iris.
        cloth: Colour of clothes and cap.
        head_width: Half width of the head.
        jaw: Width of the chin relative to the head, 0 to 1.
        eye_distance: From the middle of the face to an eye.
        eye_size: Half width of an eye.
        brow_height: Brows above the eyes at rest.
        brow_thickness: Thickness of the brows.
        nose_length: From the eyes to the tip of the nose.
        nose_width: Half width of the nose.
        mouth_width: Half width of the mouth at rest.
        lip_thickness: Thickness of each lip.
        resting_mouth: Height of the mouth's corners at rest: faces that smile or sulk by nature.
        glasses: Strength of the glasses' frame; 0 for none.
        beard: Density of the beard, 0 to 1.
        age: Depth of the folds, 0 to 1.
    """

    skin: Color
    hair: Color
    hair_style: HairStyle
    iris: Color
    cloth: Color
    head_width: float
    jaw: float
    eye_distance: float
    eye_size: float
    brow_height: float
    brow_thickness: float
    nose_length: float
    nose_width: float
    mouth_width: float
    lip_thickness: float
    resting_mouth: float
    glasses: float
    beard: float
    age: float


@dataclass(frozen=True)
class Circumstances:
    """What changes from picture to picture.

    Attributes:
        yaw: Turn of the head to the right of the picture, in radians.
        pitch: Nod downwards, in radians.
        roll: Tilt, in radians.
        light_angle: Where the light comes from, in radians.
        light_contrast: Difference between the lit and the dark side, 0 to 1.
        exposure: Brightness, 1 for normal.
        warmth: Colour of the light, negative for cold.
        gaze: Direction of the eyes, x and y, -1 to 1.
        shift: Offset of the face in the crop, x and y, in crop sides.
        zoom: Size of the face in the crop, 1 for normal.
        occlusion: Part of the face that something covers, 0 for nothing.
        occlusion_angle: Where it comes from, in radians.
        blur: Standard deviation of the lens's and the motion's blur, in crop sides.
        noise: Standard deviation of the sensor's noise, in grey levels.
        background: Seed of the background.
    """

    yaw: float
    pitch: float
    roll: float
    light_angle: float
    light_contrast: float
    exposure: float
    warmth: float
    gaze: tuple[float, float]
    shift: tuple[float, float]
    zoom: float
    occlusion: float
    occlusion_angle: float
    blur: float
    noise: float
    background: int


def sample_identity(rng: np.random.Generator) -> Identity:
    """Draw a person."""
    skin = _mixed(_SKINS, rng)
    return Identity(
        skin=skin,
        hair=_mixed(_HAIRS, rng),
        hair_style=list(HairStyle)[int(rng.integers(len(HairStyle)))],
        iris=_IRISES[int(rng.integers(len(_IRISES)))],
        cloth=muted_color(rng),
        head_width=rng.uniform(0.70, 0.82),
        jaw=rng.uniform(0.45, 0.8),
        eye_distance=rng.uniform(0.28, 0.34),
        eye_size=rng.uniform(0.155, 0.195),
        brow_height=rng.uniform(0.19, 0.235),
        brow_thickness=rng.uniform(0.035, 0.075),
        nose_length=rng.uniform(0.34, 0.44),
        nose_width=rng.uniform(0.10, 0.17),
        mouth_width=rng.uniform(0.24, 0.30),
        lip_thickness=rng.uniform(0.035, 0.075),
        resting_mouth=rng.uniform(-0.012, 0.012),
        glasses=float(rng.random() < 0.2) * rng.uniform(0.5, 1.0),
        beard=float(rng.random() < 0.22) * rng.uniform(0.3, 0.8),
        age=rng.uniform(0.0, 1.0),
    )


def sample_circumstances(rng: np.random.Generator) -> Circumstances:
    """Draw the circumstances of a picture."""
    return Circumstances(
        yaw=rng.normal(0, 0.17),
        pitch=rng.normal(0, 0.10),
        roll=rng.normal(0, 0.09),
        light_angle=rng.uniform(0, 2 * np.pi),
        light_contrast=rng.uniform(0.0, 0.4),
        exposure=rng.uniform(0.85, 1.15),
        warmth=rng.normal(0, 0.05),
        gaze=(rng.normal(0, 0.3), rng.normal(0, 0.15)),
        shift=(rng.normal(0, 0.02), rng.normal(0, 0.02)),
        zoom=rng.uniform(0.92, 1.06),
        occlusion=float(rng.random() < 0.08) * rng.uniform(0.1, 0.3),
        occlusion_angle=rng.uniform(0, 2 * np.pi),
        blur=0.034 * rng.random() ** 2.2,
        noise=rng.uniform(0.5, 4.0),
        background=int(rng.integers(2**31)),
    )


def muted_color(rng: np.random.Generator) -> Color:
    """Draw a colour as clothes and walls have it: any hue, rarely a loud one."""
    return _color(np.clip(rng.uniform(35, 200) + rng.normal(0, 26, 3), 15, 235))


def _mixed(colors: tuple[Color, ...], rng: np.random.Generator) -> Color:
    position = rng.uniform(0, len(colors) - 1)
    low = int(position)
    share = position - low
    pair = np.array([colors[low], colors[min(low + 1, len(colors) - 1)]])
    return _color(np.clip(((1 - share) * pair[0] + share * pair[1]) * (1 + 0.04 * rng.normal(0, 1, 3)), 0, 255))


def _color(values: npt.NDArray[np.float64]) -> Color:
    red, green, blue = (float(value) for value in values)
    return red, green, blue
