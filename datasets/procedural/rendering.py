"""From a person, an expression and circumstances to pixels."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from .canvas import Canvas, HeadPose
from .expressions import ActionUnits
from .features import draw_beard, draw_features, draw_glasses
from .head import apply_light, chin_level, draw_bust, draw_hair, draw_occlusion, draw_skull
from .identity import Circumstances, Identity

Uint8Array = npt.NDArray[np.uint8]

_SUPERSAMPLING = 2
_MIN_CANVAS = 96
_NO_BLUR_PX = 0.2
# A tight crop, as face data sets have it: from the hairline to the chin.
_FACE_HALF_HEIGHT = 0.54
_FACE_LIFT = 0.06


@dataclass(frozen=True)
class FaceParameters:
    """Everything that decides a drawn face.

    Attributes:
        person: Who.
        units: The expression.
        circumstances: How the picture was taken.
        noise_seed: Key of the sensor's noise.
    """

    person: Identity
    units: ActionUnits
    circumstances: Circumstances
    noise_seed: int


def render_face(parameters: FaceParameters, size: int) -> Uint8Array:
    """Draw a face in a square crop.

    Args:
        parameters: What to draw.
        size: Side of the crop in pixels.

    Returns:
        uint8 (size, size, 3), RGB.
    """
    side = max(_MIN_CANVAS, _SUPERSAMPLING * size)
    person, alpha = draw_person(parameters, side, half_height=_FACE_HALF_HEIGHT, lift=_FACE_LIFT)
    shape = (size, size)
    opacity = cv2.resize(alpha, shape, interpolation=cv2.INTER_AREA).astype(np.float32)[..., None] / 255.0
    backdrop = _backdrop(size, np.random.default_rng(parameters.circumstances.background))
    small = backdrop * (1.0 - opacity) + cv2.resize(person, shape, interpolation=cv2.INTER_AREA)
    if parameters.circumstances.blur * size > _NO_BLUR_PX:
        small = cv2.GaussianBlur(small, (0, 0), parameters.circumstances.blur * size)
    noise = np.random.default_rng(parameters.noise_seed).standard_normal(small.shape, np.float32)
    return np.asarray(np.clip(small + parameters.circumstances.noise * noise, 0, 255), np.uint8)


def draw_person(
    parameters: FaceParameters, side: int, half_height: float, lift: float = 0.0, *, shoulders: bool = True
) -> tuple[Uint8Array, Uint8Array]:
    """Draw a person without background and noise.

    Args:
        parameters: What to draw.
        side: Side of the canvas in pixels.
        half_height: Half height of the head as a fraction of the side.
        lift: How far the middle of the head is above that of the canvas, as a fraction of the side.
        shoulders: Whether to draw shoulders; a crowd's people have bodies instead.

    Returns:
        The colours, uint8 (side, side, 3), black outside, and where the person is, uint8 (side, side).
    """
    person, units, circumstances = parameters.person, parameters.units, parameters.circumstances
    middle = (0.5 + circumstances.shift[0]) * side, (0.5 - lift + circumstances.shift[1]) * side
    scale = half_height * circumstances.zoom * side
    canvas = Canvas(side, HeadPose(middle, scale, circumstances.yaw, circumstances.pitch, circumstances.roll))
    chin = chin_level(units.jaw_drop)
    draw_bust(canvas, person, shoulders=shoulders)
    draw_skull(canvas, person, chin)
    draw_beard(canvas, person, chin)
    draw_features(canvas, person, units, circumstances)
    draw_glasses(canvas, person)
    draw_hair(canvas, person)
    draw_occlusion(canvas, person, circumstances)
    apply_light(canvas, circumstances)
    return np.asarray(cv2.copyTo(canvas.pixels, canvas.alpha), np.uint8), canvas.alpha


def _backdrop(side: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    # A few pixels of colour, enlarged: soft shapes, like a room out of focus.
    base = rng.uniform(40, 200) + rng.normal(0, 22, 3)
    blobs = base + rng.normal(0, 32, (5, 5, 1)) + rng.normal(0, 12, (5, 5, 3))
    blobs = np.clip(blobs, 0, 255).astype(np.float32)
    return np.asarray(cv2.resize(blobs, (side, side), interpolation=cv2.INTER_CUBIC), np.float32)
