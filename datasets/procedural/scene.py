"""What a crowd walks in and what carries its heads: a hall, and bodies."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from .canvas import CIRCLE, Points, curve, rgb, shaded
from .identity import Color, muted_color

Uint8Array = npt.NDArray[np.uint8]

_SUBPIXEL_BITS = 4
# Lengths of a body in heights of its head, from the middle of the head.
_SHOULDERS, _HIPS, _FEET = 0.72, 2.75, 6.2
_STRIDE, _ARM_SWING = 0.75, 0.45


def feet_below_head(head_px: float) -> float:
    """Return how far below the middle of a head, in pixels, its body meets the floor."""
    return _FEET * head_px


def draw_hall(width: int, height: int, horizon: float, floor: float, rng: np.random.Generator) -> Uint8Array:
    """Draw an empty hall: a wall with doors, windows and posters, and a tiled floor.

    Args:
        width: Columns.
        height: Rows.
        horizon: Row of the vanishing point.
        floor: Row where the wall meets the floor, below the horizon.
        rng: Decides the colours and what hangs on the wall.

    Returns:
        uint8 (height, width, 3), RGB.
    """
    tone = rng.uniform(150, 200) * (1 + 0.06 * rng.normal(0, 1, 3))
    wall = np.linspace(0.82, 1.08, height)[:, None, None] * tone
    hall = np.ascontiguousarray(np.broadcast_to(np.clip(wall, 0, 255), (height, width, 3)).astype(np.uint8))
    _furnish(hall, floor, rng)
    _draw_floor(hall, horizon, floor, rng)
    soft = cv2.GaussianBlur(hall, (0, 0), max(0.8, height / 300))
    grain = rng.normal(0, 2.5, (height, width, 1))
    return np.asarray(np.clip(soft + grain, 0, 255), np.uint8)


def draw_body(
    images: tuple[Uint8Array, npt.NDArray[np.int16]],
    head: tuple[float, float],
    head_px: float,
    cloth: Color,
    skin: Color,
    step: float,
    owner: int,
) -> None:
    """Draw shadow, legs, arms and coat of a walking person.

    Args:
        images: The frame, uint8 (height, width, 3), and whose each pixel is, int16 (height, width); both change.
        head: Middle of the head in pixels.
        head_px: Height of the head in pixels.
        cloth: Colour of the coat.
        skin: Colour of the hands.
        step: Phase of the walk in radians.
        owner: Number of the person.
    """
    frame, owners = images
    swing = float(np.sin(step))
    trousers, shoes = shaded(cloth, 0.35 + 0.25 * (sum(cloth) < 240)), (38.0, 34.0, 34.0)
    _cast_shadow(frame, (head[0], head[1] + feet_below_head(head_px)), head_px)
    parts: list[tuple[Points, Color]] = []
    for side, shade in ((-1.0, 0.85), (1.0, 1.0)):
        foot = side * (0.22 + 0.5 * _STRIDE * swing * side), _FEET - 0.12 * max(0.0, side * float(np.cos(step)))
        parts += [(_shoe(*foot), shoes), (_limb((side * 0.26, _HIPS), foot, 0.36, 0.2), shaded(trousers, shade))]
    arms = [(side, side * 0.82 - _ARM_SWING * swing * 0.5) for side in (-1.0, 1.0)]
    for side, hand in arms:
        parts.append((_disc((hand, 3.05), 0.15), skin))
        parts.append((_limb((side * 0.66, _SHOULDERS + 0.38), (hand, 2.95), 0.21, 0.14), shaded(cloth, 0.72)))
    parts.append((_COAT, cloth))
    for outline, color in parts:
        placed = np.asarray(np.rint((np.asarray(head) + head_px * outline) * (1 << _SUBPIXEL_BITS)), np.int32)
        cv2.fillPoly(frame, [placed], rgb(color), cv2.LINE_AA, _SUBPIXEL_BITS)
        cv2.fillPoly(owners, [placed], (float(owner),), cv2.LINE_8, _SUBPIXEL_BITS)


def _furnish(hall: Uint8Array, floor: float, rng: np.random.Generator) -> None:
    # Bays of equal width, each with a window, a door or a poster.
    height, width = hall.shape[:2]
    bays = max(3, width // 70)
    for bay in range(bays):
        kind = rng.random()
        left, right = (round((bay + rng.uniform(*range_)) * width / bays) for range_ in ((0.12, 0.22), (0.75, 0.9)))
        color: Color
        if kind < 0.45:
            top, bottom, color = 0.12, 0.55, (214.0, 224.0, 232.0)
        elif kind < 0.7:
            top, bottom, color = 0.38, 1.0, (96.0, 80.0, 68.0)
        else:
            top, bottom, color = 0.25, 0.62, muted_color(rng)
        y0, y1, middle = round(top * floor), round(bottom * floor), (left + right) // 2
        cv2.rectangle(hall, (left - 2, y0 - 2), (right + 2, y1 + 2), (86.0, 84.0, 82.0), -1)
        cv2.rectangle(hall, (left, y0), (right, y1), color, -1)
        if kind < 0.7:
            cv2.line(hall, (middle, y0), (middle, y1), shaded(color, 0.6), max(1, height // 240))
    cv2.rectangle(hall, (0, round(0.97 * floor)), (width, round(floor)), (92.0, 88.0, 86.0), -1)


def _draw_floor(hall: Uint8Array, horizon: float, floor: float, rng: np.random.Generator) -> None:
    height, width = hall.shape[:2]
    top = min(height - 1, round(floor))
    shades = np.linspace(0.86, 1.1, height - top)[:, None, None]
    hall[top:] = np.clip(shades * (rng.uniform(105, 145) + rng.normal(0, 6, 3)), 0, 255).astype(np.uint8)
    joint = rgb(hall[top].mean(axis=0) * 0.86)
    depth = floor - horizon
    # Rows of equal tiles: their distance from the horizon falls with one over their distance from the camera.
    for row in range(1, 16):
        y = horizon + depth * 16 / (17 - row)
        cv2.line(hall, (0, round(y)), (width, round(y)), joint, 1, cv2.LINE_AA)
    for column in range(-14, 15):
        far = width / 2 + column * width / 10
        near = width / 2 + column * width / 10 * (height - horizon) / depth
        cv2.line(hall, (round(far), round(floor)), (round(near), height), joint, 1, cv2.LINE_AA)


def _cast_shadow(frame: Uint8Array, feet: tuple[float, float], head_px: float) -> None:
    # Blended in its own rectangle only: a frame-sized copy for every person would cost more than the people.
    height, width = frame.shape[:2]
    reach_x, reach_y = 1.5 * head_px, 0.35 * head_px
    x0, x1 = max(0, int(feet[0] - reach_x)), min(width, int(feet[0] + reach_x) + 1)
    y0, y1 = max(0, int(feet[1] - reach_y)), min(height, int(feet[1] + reach_y) + 1)
    if x0 >= x1 or y0 >= y1:
        return
    across = (np.arange(x0, x1, dtype=np.float32) - feet[0]) / reach_x
    along = (np.arange(y0, y1, dtype=np.float32) - feet[1]) / reach_y
    dark = 1.0 - 0.45 * np.clip(1.0 - across[None, :] ** 2 - along[:, None] ** 2, 0, 1)
    frame[y0:y1, x0:x1] = (frame[y0:y1, x0:x1] * dark[..., None]).astype(np.uint8)


def _limb(start: tuple[float, float], end: tuple[float, float], start_width: float, end_width: float) -> Points:
    along = np.array(end) - np.array(start)
    across = np.array([-along[1], along[0]]) / max(1e-6, float(np.hypot(*along)))
    return np.stack(
        [
            start + across * start_width,
            end + across * end_width,
            end - across * end_width,
            start - across * start_width,
        ]
    )


def _disc(center: tuple[float, float], radius: float) -> Points:
    return np.asarray(np.array(center) + radius * CIRCLE)


def _shoe(x: float, y: float) -> Points:
    return np.array([[x - 0.24, y], [x - 0.18, y - 0.2], [x + 0.18, y - 0.2], [x + 0.24, y], [x, y + 0.14]])


def _coat() -> Points:
    right = curve((0.0, 0.62), (0.24, 0.66), (0.7, 0.82), (0.86, 1.05), (0.78, 1.7), (0.7, 2.3), (0.74, 3.04))
    right = np.concatenate([right, [[0.0, 3.12]]])
    return np.concatenate([right, (right * np.array([-1.0, 1.0]))[::-1]])


_COAT = _coat()
