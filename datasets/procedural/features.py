"""Brows, eyes, nose and mouth: everything that an expression moves."""

from __future__ import annotations

import cv2
import numpy as np

from .canvas import CIRCLE, Canvas, Points, curve, mirrored, rgb, shaded
from .expressions import ActionUnits
from .identity import Circumstances, Color, Identity

EYE_LEVEL = -0.06
MOUTH_LEVEL = 0.52


def draw_features(canvas: Canvas, person: Identity, units: ActionUnits, circumstances: Circumstances) -> None:
    """Draw all features of a face onto its skin."""
    _folds(canvas, person, units)
    for side in (-1.0, 1.0):
        _eye(canvas, person, units, circumstances, side)
        _brow(canvas, person, units, side)
    _nose(canvas, person, units)
    _mouth(canvas, person, units)


def _brow(canvas: Canvas, person: Identity, units: ActionUnits, side: float) -> None:
    level = EYE_LEVEL - person.brow_height
    inner = level - 0.14 * units.inner_brow_raise + 0.125 * units.brow_lower + 0.03 * units.nose_wrinkle
    middle = level - 0.035 - 0.065 * (units.inner_brow_raise + units.outer_brow_raise) + 0.07 * units.brow_lower
    outer = level + 0.01 - 0.14 * units.outer_brow_raise + 0.01 * units.brow_lower
    squeeze = 0.05 * units.brow_lower
    half = person.brow_thickness / 2
    start, end = person.eye_distance - 0.19 - squeeze, person.eye_distance + 0.21
    top = curve((start, inner - half), ((start + end) / 2, middle - half), (end, outer - 0.3 * half))
    bottom = curve((start, inner + half), ((start + end) / 2, middle + half), (end, outer + 0.3 * half))
    canvas.fill(np.concatenate([top, bottom[::-1]]) * np.array([side, 1.0]), _brow_color(person))


def _brow_color(person: Identity) -> Color:
    # Brows are darker than fair hair, and seldom fairer than the skin.
    red, green, blue = (0.8 * min(hair, 0.7 * skin) for hair, skin in zip(person.hair, person.skin, strict=True))
    return red, green, blue


def _eye(canvas: Canvas, person: Identity, units: ActionUnits, circumstances: Circumstances, side: float) -> None:
    center, half = person.eye_distance, person.eye_size
    upper = 0.07 + 0.075 * units.upper_lid_raise - 0.022 * units.lid_tighten - 0.02 * units.cheek_raise
    lower = 0.04 + 0.008 * units.upper_lid_raise - 0.022 * units.lid_tighten - 0.03 * units.cheek_raise
    upper, lower = max(upper, 0.012), max(lower, 0.004)
    droop = 0.04 * units.inner_brow_raise * (1 - units.upper_lid_raise)
    lid = curve(
        (center - half, EYE_LEVEL + 0.012),
        (center - 0.3 * half, EYE_LEVEL - upper),
        (center + 0.4 * half, EYE_LEVEL - upper + droop),
        (center + half, EYE_LEVEL + droop),
    ) * np.array([side, 1.0])
    bag = curve(
        (center - half, EYE_LEVEL + 0.012), (center, EYE_LEVEL + lower), (center + half, EYE_LEVEL + droop)
    ) * np.array([side, 1.0])
    opening = np.concatenate([lid, bag[::-1]])
    canvas.fill(opening, (238, 234, 230))
    _iris(canvas, person, circumstances, opening, side * center)
    canvas.stroke(lid, shaded(person.skin, 0.28), 0.022)
    canvas.stroke(bag, shaded(person.skin, 0.62), 0.012)
    crease = lid + np.array([0.0, -0.045])
    canvas.stroke(crease, shaded(person.skin, 0.72), 0.012)


def _iris(canvas: Canvas, person: Identity, circumstances: Circumstances, opening: Points, center: float) -> None:
    # Taken over inside the opening only: lids cover the iris.
    middle = np.array([[center + 0.03 * circumstances.gaze[0], EYE_LEVEL - 0.008 + 0.02 * circumstances.gaze[1]]])
    bare = canvas.copy()
    bare.disc(middle, 0.066, person.iris)
    bare.disc(middle, 0.032, (12, 10, 10))
    bare.disc(middle + np.array([[-0.022, -0.024]]), 0.013, (250, 250, 250))
    canvas.take_over(bare, opening)


def _nose(canvas: Canvas, person: Identity, units: ActionUnits) -> None:
    tip = EYE_LEVEL + person.nose_length - 0.03 * units.nose_wrinkle
    width = person.nose_width + 0.03 * units.nose_wrinkle
    dark = shaded(person.skin, 0.70)
    side = curve((0.07, EYE_LEVEL + 0.02), (0.055, EYE_LEVEL + 0.2), (width, tip - 0.03), (width - 0.02, tip + 0.03))
    canvas.stroke(side, dark, 0.014)
    canvas.tint(
        canvas.mask_of(np.array([[-0.03, EYE_LEVEL], [0.03, EYE_LEVEL], [0.05, tip], [-0.05, tip]])),
        shaded(person.skin, 1.12),
        0.6,
        0.03,
    )
    base = curve((-width, tip), (-0.06, tip + 0.045), (0.0, tip + 0.03), (0.06, tip + 0.045), (width, tip))
    canvas.stroke(base, shaded(person.skin, 0.58), 0.018)
    for x in (-0.055, 0.055):
        canvas.disc(np.array([[x, tip + 0.025]]), 0.02, shaded(person.skin, 0.35))
    if units.nose_wrinkle > 0.25:
        for offset in (0.0, 0.05):
            wrinkle = curve(
                (-0.075, EYE_LEVEL + 0.02 + offset),
                (0.0, EYE_LEVEL + 0.05 + offset),
                (0.075, EYE_LEVEL + 0.02 + offset),
            )
            canvas.stroke(wrinkle, shaded(person.skin, 1 - 0.4 * units.nose_wrinkle), 0.014)


def _folds(canvas: Canvas, person: Identity, units: ActionUnits) -> None:
    """Draw what raised cheeks, lips and knitted brows leave in the skin."""
    lifted = max(units.lip_corner_pull, units.upper_lip_raise, 0.35 * person.age)
    fold = curve((0.17, 0.28), (0.29, 0.40 - 0.02 * lifted), (0.34, 0.56))
    for line in (fold, mirrored(fold)):
        canvas.stroke(line, shaded(person.skin, 1 - 0.28 * lifted), 0.016)
    if units.brow_lower > 0.3:
        for x in (-0.045, 0.045):
            knit = curve((x, EYE_LEVEL - 0.23), (0.8 * x, EYE_LEVEL - 0.11))
            canvas.stroke(knit, shaded(person.skin, 1 - 0.38 * units.brow_lower), 0.016)
    raised = max(min(units.inner_brow_raise, 0.4 + units.outer_brow_raise), 0.3 * person.age)
    for level in (0.40, 0.47):
        wrinkle = curve((-0.26, EYE_LEVEL - level), (0.0, EYE_LEVEL - level - 0.02), (0.26, EYE_LEVEL - level))
        canvas.stroke(wrinkle, shaded(person.skin, 1 - 0.16 * raised), 0.014)
    if units.cheek_raise > 0.3:
        cheek = curve((0.16, 0.09), (0.32, 0.12), (0.46, 0.06))
        for line in (cheek, mirrored(cheek)):
            canvas.stroke(line, shaded(person.skin, 1 - 0.2 * units.cheek_raise), 0.014)


def _mouth(canvas: Canvas, person: Identity, units: ActionUnits) -> None:
    half = (
        person.mouth_width * (1 + 0.34 * units.lip_corner_pull + 0.34 * units.lip_stretch - 0.18 * units.jaw_drop)
        - 0.03 * units.lip_tighten
    )
    corner = MOUTH_LEVEL - person.resting_mouth - 0.125 * units.lip_corner_pull + 0.105 * units.lip_corner_depress
    corner += 0.02 * units.lip_stretch
    opening = 0.055 * units.lips_part + 0.20 * units.jaw_drop
    upper = MOUTH_LEVEL - 0.075 * units.upper_lip_raise - 0.25 * opening - 0.03 * units.chin_raise
    lower = MOUTH_LEVEL + 0.75 * opening - 0.03 * units.chin_raise + 0.03 * units.lip_corner_pull
    lips = person.lip_thickness * (1 - 0.6 * units.lip_tighten)
    lip_color = _lip_color(person.skin)
    top = curve(
        (-half, corner),
        (-0.4 * half, upper - lips),
        (0, upper - 0.75 * lips),
        (0.4 * half, upper - lips),
        (half, corner),
    )
    between_top = curve((-half, corner), (-0.4 * half, upper), (0, upper), (0.4 * half, upper), (half, corner))
    between_bottom = curve(
        (-half, corner), (-0.4 * half, lower), (0, lower + 0.005), (0.4 * half, lower), (half, corner)
    )
    bottom = curve(
        (-half, corner),
        (-0.45 * half, lower + lips),
        (0, lower + 1.3 * lips),
        (0.45 * half, lower + lips),
        (half, corner),
    )
    canvas.fill(np.concatenate([top, bottom[::-1]]), lip_color)
    inner = np.concatenate([between_top, between_bottom[::-1]])
    if opening > 0.03:
        canvas.fill(inner, (52, 18, 20))
        _teeth(canvas, units, inner, upper, half, opening)
    canvas.stroke(between_top, shaded(lip_color, 0.45), 0.02)
    canvas.stroke(bottom, shaded(person.skin, 0.75), 0.012)
    if units.chin_raise > 0.3:
        chin = curve((-0.12, 0.74), (0.0, 0.71), (0.12, 0.74))
        canvas.stroke(chin, shaded(person.skin, 1 - 0.3 * units.chin_raise), 0.02)


def _teeth(canvas: Canvas, units: ActionUnits, inner: Points, upper: float, half: float, opening: float) -> None:
    shown = max(units.lip_corner_pull, units.lip_stretch, units.upper_lip_raise)
    if shown < 0.3:
        return
    bare = canvas.copy()
    height = min(0.075, 0.8 * opening)
    row = np.array(
        [[-half, upper - 0.05], [half, upper - 0.05], [0.8 * half, upper + height], [-0.8 * half, upper + height]]
    )
    bare.fill(row, (236, 230, 218))
    canvas.take_over(bare, inner)


def _lip_color(skin: Color) -> Color:
    red, green, blue = skin
    return 0.78 * red + 18, 0.55 * green, 0.58 * blue


def draw_glasses(canvas: Canvas, person: Identity) -> None:
    """Draw the frame of glasses, if the person wears any."""
    if person.glasses <= 0:
        return
    color = shaded((60.0, 56.0, 60.0), 1.4 - person.glasses)
    for side in (-1.0, 1.0):
        rim = np.array([side * person.eye_distance, EYE_LEVEL]) + CIRCLE * np.array([0.2, 0.15])
        canvas.stroke(rim, color, 0.02 + 0.015 * person.glasses, closed=True)
        ear = np.array([[side * (person.eye_distance + 0.2), EYE_LEVEL], [side * person.head_width, EYE_LEVEL - 0.02]])
        canvas.stroke(ear, color, 0.02)
    bridge = person.eye_distance - 0.2
    canvas.stroke(curve((-bridge, EYE_LEVEL - 0.02), (0, EYE_LEVEL - 0.05), (bridge, EYE_LEVEL - 0.02)), color, 0.022)


def draw_beard(canvas: Canvas, person: Identity, chin: float) -> None:
    """Draw a beard over the lower face, leaving the mouth free, if the person has one."""
    if person.beard <= 0:
        return
    width = 0.9 * person.head_width
    area = curve((-width, 0.2), (-0.8 * width, 0.62), (-0.4, chin), (0.4, chin), (0.8 * width, 0.62), (width, 0.2))
    hollow = curve((0.75 * width, 0.3), (0.36, 0.36), (0.0, 0.33), (-0.36, 0.36), (-0.75 * width, 0.3))
    mask = canvas.mask_of(np.concatenate([area, hollow]))
    mouth = np.zeros_like(mask)
    center = canvas.pose.on_face(np.array([[0.0, MOUTH_LEVEL]]))[0]
    axes = (round(0.3 * canvas.pose.scale), round(0.13 * canvas.pose.scale))
    middle = (round(float(center[0])), round(float(center[1])))
    cv2.ellipse(mouth, middle, axes, float(np.degrees(canvas.pose.roll)), 0, 360, rgb((255, 255, 255)), -1)
    canvas.tint(mask & ~mouth, shaded(person.hair, 0.9), 0.75 * person.beard, 0.025)
