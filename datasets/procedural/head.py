"""What carries the features: shoulders, neck, skull, ears, hair, light."""

from __future__ import annotations

import cv2
import numpy as np

from .canvas import CIRCLE, Canvas, Points, curve, shaded
from .identity import Circumstances, HairStyle, Identity


def chin_level(jaw_drop: float) -> float:
    """Return how far down the chin is; a dropped jaw makes the face longer."""
    return 0.97 + 0.12 * jaw_drop


def draw_bust(canvas: Canvas, person: Identity, *, shoulders: bool) -> None:
    """Draw hair that hangs behind, shoulders if wanted, and the neck."""
    if person.hair_style is HairStyle.LONG:
        width = person.head_width
        back = curve(
            (-width - 0.12, 1.15),
            (-width - 0.16, -0.1),
            (-0.5, -0.95),
            (0.5, -0.95),
            (width + 0.16, -0.1),
            (width + 0.12, 1.15),
        )
        canvas.fill(back, shaded(person.hair, 0.75), on_face=False)
    if shoulders:
        coat = curve((-2.2, 3.4), (-1.75, 1.75), (-0.45, 1.28), (0.45, 1.28), (1.75, 1.75), (2.2, 3.4))
        canvas.fill(coat, person.cloth, on_face=False)
    neck = np.array([[-0.4, 0.5], [0.4, 0.5], [0.46, 1.3], [0.0, 1.5], [-0.46, 1.3]])
    canvas.fill(neck, shaded(person.skin, 0.78), on_face=False)


def draw_skull(canvas: Canvas, person: Identity, chin: float) -> None:
    """Draw ears and the skin of the face, rounded off towards its edge."""
    for side in (-1.0, 1.0):
        ear = np.array([side * (person.head_width + 0.02), 0.04]) + CIRCLE * np.array([0.09, 0.19])
        canvas.fill(ear, shaded(person.skin, 0.86), on_face=False)
    outline = _outline(person, chin)
    canvas.fill(outline, person.skin, on_face=False)
    face = canvas.mask_of(outline, on_face=False)
    distance = cv2.distanceTransform(face, cv2.DIST_L2, 3) / np.float32(0.35 * canvas.pose.scale)
    rounding = np.float32(0.78) + np.float32(0.22) * np.minimum(distance, np.float32(1.0))
    rounding[face == 0] = 1.0
    canvas.shade(rounding)


def draw_hair(canvas: Canvas, person: Identity) -> None:
    """Draw the hair in front, or a cap."""
    style = person.hair_style
    if style is HairStyle.BALD:
        return
    width = person.head_width + 0.06
    line = {
        HairStyle.SHORT: -0.62,
        HairStyle.PARTED: -0.55,
        HairStyle.CURLY: -0.58,
        HairStyle.LONG: -0.56,
        HairStyle.CAP: -0.5,
    }[style]
    temple = -0.05 if style in (HairStyle.LONG, HairStyle.PARTED) else -0.25
    crown = curve(
        (-width, temple), (-width * 0.93, -0.65), (-0.4, -1.08), (0.4, -1.08), (width * 0.93, -0.65), (width, temple)
    )
    middle = 0.25 if style is HairStyle.PARTED else 0.0
    front = curve(
        (width * 0.9, temple), (0.55, line + 0.08), (middle, line - 0.03), (-0.55, line + 0.08), (-width * 0.9, temple)
    )
    color = person.cloth if style is HairStyle.CAP else person.hair
    canvas.fill(np.concatenate([crown, front]), color, on_face=False)
    if style is HairStyle.CAP:
        peak = curve((-0.62, line + 0.05), (0.0, line - 0.02), (0.62, line + 0.05), (0.0, line + 0.12))
        canvas.fill(peak, shaded(color, 0.7))
    elif style is HairStyle.CURLY:
        _curls(canvas, person, width)


def apply_light(canvas: Canvas, circumstances: Circumstances) -> None:
    """Light the whole person from one side, as bright and warm as the circumstances say."""
    axis = np.linspace(-1, 1, len(canvas.pixels), dtype=np.float32)
    across, along = (
        np.float32(0.6 * circumstances.light_contrast * part(circumstances.light_angle)) for part in (np.cos, np.sin)
    )
    light = 1.0 + across * axis[None, :] + along * axis[:, None]
    warm = np.array([1.0 + circumstances.warmth, 1.0, 1.0 - circumstances.warmth], np.float32)
    canvas.shade(light[..., None] * (np.float32(circumstances.exposure) * warm))


def draw_occlusion(canvas: Canvas, person: Identity, circumstances: Circumstances) -> None:
    """Draw a hand that covers a part of the face from one side, or a scarf that does from below."""
    if circumstances.occlusion <= 0:
        return
    reach = 1.15 - 1.4 * circumstances.occlusion
    if circumstances.background % 2:
        _hand(canvas, person, circumstances.occlusion_angle, reach - 0.15)
        return
    edge = curve((-1.1, reach - 0.1), (-0.4, reach + 0.05), (0.4, reach + 0.05), (1.1, reach - 0.1))
    scarf = np.concatenate([edge, [[1.3, 1.6], [-1.3, 1.6]]])
    canvas.fill(scarf, shaded(person.cloth, 0.8), on_face=False)
    for fold in (0.12, 0.26):
        canvas.stroke(edge[6:-6] + np.array([0.0, fold]), shaded(person.cloth, 0.6), 0.02, on_face=False)


def _hand(canvas: Canvas, person: Identity, angle: float, reach: float) -> None:
    toward = np.array([np.cos(angle), np.sin(angle)])
    across = np.array([-toward[1], toward[0]])
    palm = [(reach + 0.3, -0.3), (2.4, -0.34), (2.4, 0.34), (reach + 0.3, 0.3)]
    color, gap = shaded(person.skin, 0.92), shaded(person.skin, 0.62)
    canvas.fill(np.array([along * toward + aside * across for along, aside in palm]), color, on_face=False)
    for finger, length in enumerate((0.05, 0.0, 0.03, 0.12)):
        root = (reach + 0.5) * toward + (0.165 * finger - 0.2475) * across
        tip = root - (0.42 - length) * toward
        beside = 0.08 * across
        canvas.fill(np.array([root - beside, tip - beside, tip + beside, root + beside]), color, on_face=False)
        canvas.fill(tip + 0.08 * CIRCLE, color, on_face=False)
        if finger < 3:
            canvas.stroke(np.array([root + beside, tip + beside]), gap, 0.02, on_face=False)


def _outline(person: Identity, chin: float) -> Points:
    width, jaw = person.head_width, person.head_width * person.jaw
    half = curve(
        (0.0, -0.97),
        (0.62 * width, -0.84),
        (width, -0.25),
        (0.97 * width, 0.25),
        (0.5 * width + 0.5 * jaw, 0.66),
        (0.62 * jaw, chin - 0.06),
        (0.0, chin),
    )
    return np.concatenate([half, (half * np.array([-1.0, 1.0]))[::-1]])


def _curls(canvas: Canvas, person: Identity, width: float) -> None:
    for index in range(13):
        angle = np.pi * (1.04 + 0.92 * index / 12)
        center = np.array([[width * 0.95 * np.cos(angle), -0.15 + 0.85 * np.sin(angle)]])
        canvas.fill(center + 0.17 * CIRCLE, shaded(person.hair, 0.85 + 0.3 * (index % 2)), on_face=False)
