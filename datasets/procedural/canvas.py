"""A canvas in the coordinates of a head.

The head is a unit in height: y runs from -1 at the top of the skull to 1 at the chin, x from the middle of the face to
its right in the picture. A point on the face lies on an ellipsoid, so a turned head moves its nose more than its ears.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

from .identity import Color

Points = npt.NDArray[np.float64]
_SUBPIXEL_BITS = 4
# The ellipsoid of the face's surface, in half heights of the head.
_PER_RADIUS = np.array([1 / 0.95, 1 / 1.25])
_DEPTH = 0.75


@dataclass(frozen=True)
class HeadPose:
    """Where the head is on the canvas, and how it is turned.

    Attributes:
        center: Middle of the head in pixels, x and y.
        scale: Half height of the head in pixels.
        yaw: In radians.
        pitch: In radians.
        roll: In radians.
    """

    center: tuple[float, float]
    scale: float
    yaw: float
    pitch: float
    roll: float

    def on_face(self, points: Points) -> Points:
        """Return where points of the face's surface are on the canvas, float64 (N, 2), in pixels."""
        scaled = points * _PER_RADIUS
        depth = np.sqrt(np.maximum(0.0, 1.0 - np.einsum("nd,nd->n", scaled, scaled)))
        return np.asarray(points @ self._turned + depth[:, None] * self._toward_camera + self._center)

    def flat(self, points: Points) -> Points:
        """Return where points of the outline are: they tilt and move with the head, but do not turn with it."""
        return np.asarray(points @ self._tilted + self._flat_center)

    # Matrices are kept: a face is some fifty curves, and each of them is placed.
    @cached_property
    def _tilted(self) -> Points:
        cos, sin = np.cos(self.roll), np.sin(self.roll)
        return self.scale * np.array([[cos, sin], [-sin, cos]])

    @cached_property
    def _turned(self) -> Points:
        return np.asarray(np.diag([np.cos(self.yaw), np.cos(self.pitch)]) @ self._tilted)

    @cached_property
    def _toward_camera(self) -> Points:
        return np.asarray(_DEPTH * np.sin([self.yaw, self.pitch]) @ self._tilted)

    @cached_property
    def _center(self) -> Points:
        return np.array(self.center)

    @cached_property
    def _flat_center(self) -> Points:
        return np.asarray(self._center + np.array([0.08 * np.sin(self.yaw), 0.0]) @ self._tilted)


class Canvas:
    """Pixels, and which of them belong to the person.

    Attributes:
        pixels: uint8 (side, side, 3), RGB.
        alpha: uint8 (side, side), 255 where the person is.
        pose: Where the head is.
    """

    def __init__(self, side: int, pose: HeadPose) -> None:
        self.pixels = np.zeros((side, side, 3), np.uint8)
        self.alpha = np.zeros((side, side), np.uint8)
        self.pose = pose

    def fill(self, points: Points, color: Sequence[float], *, on_face: bool = True) -> None:
        """Fill a polygon given in head coordinates, float64 (N, 2)."""
        placed = self._fixed(points, on_face)
        cv2.fillPoly(self.pixels, [placed], rgb(color), cv2.LINE_AA, _SUBPIXEL_BITS)
        cv2.fillPoly(self.alpha, [placed], 255.0, cv2.LINE_AA, _SUBPIXEL_BITS)

    def stroke(
        self, points: Points, color: Sequence[float], width: float, *, closed: bool = False, on_face: bool = True
    ) -> None:
        """Draw a line over points given in head coordinates, float64 (N, 2); its width is in head units."""
        thickness = max(1, round(width * self.pose.scale))
        placed = [self._fixed(points, on_face)]
        cv2.polylines(self.pixels, placed, closed, rgb(color), thickness, cv2.LINE_AA, _SUBPIXEL_BITS)

    def disc(self, center: Points, radius: float, color: Sequence[float]) -> None:
        """Fill a circle around a point of the face, float64 (1, 2)."""
        self.fill(center + radius * CIRCLE, color)

    def mask_of(self, points: Points, *, on_face: bool = True) -> npt.NDArray[np.uint8]:
        """Return a mask of a polygon, uint8 (side, side), 0 or 255."""
        mask = np.zeros_like(self.alpha)
        cv2.fillPoly(mask, [self._fixed(points, on_face)], 255.0, cv2.LINE_8, _SUBPIXEL_BITS)
        return mask

    def tint(self, mask: npt.NDArray[np.uint8], color: Sequence[float], strength: float, blur: float) -> None:
        """Blend a colour into a soft region; ``blur`` is in head units."""
        sigma = max(0.5, blur * self.pose.scale)
        x, y, width, height = cv2.boundingRect(mask)
        margin = int(3 * sigma) + 1
        region = slice(max(0, y - margin), y + height + margin), slice(max(0, x - margin), x + width + margin)
        soft = np.asarray(cv2.GaussianBlur(mask[region], (0, 0), sigma), np.float32)
        share = (soft * np.float32(strength / 255.0))[..., None]
        under = self.pixels[region]
        self.pixels[region] = (under + share * (np.asarray(color, np.float32) - under)).astype(np.uint8)

    def shade(self, light: npt.NDArray[np.float32]) -> None:
        """Multiply the pixels by light, float32 (side, side) or (side, side, 3)."""
        gains = light[..., None] if light.ndim == 2 else light
        self.pixels = np.minimum(self.pixels * gains, np.float32(255.0)).astype(np.uint8)

    def take_over(self, drawn: Canvas, inside: Points) -> None:
        """Take the pixels of another canvas inside a polygon on the face, float64 (N, 2)."""
        cv2.copyTo(drawn.pixels, self.mask_of(inside), self.pixels)

    def copy(self) -> Canvas:
        """Return a canvas with pixels of its own, to draw on what shall not be covered."""
        other = Canvas(0, self.pose)
        other.pixels, other.alpha = self.pixels.copy(), self.alpha
        return other

    def _fixed(self, points: Points, on_face: bool) -> npt.NDArray[np.int32]:
        placed = self.pose.on_face(points) if on_face else self.pose.flat(points)
        return np.rint(placed * (1 << _SUBPIXEL_BITS)).astype(np.int32)


def curve(*points: tuple[float, float]) -> Points:
    """Return a smooth line through points, float64 (N, 2): Catmull-Rom splines."""
    nodes = np.array([points[0], *points, points[-1]], np.float64)
    around = nodes[_AROUND[: len(points) - 1]]
    return np.concatenate([np.matmul(_SPLINE, around).reshape(-1, 2), nodes[-1:]])


def mirrored(points: Points) -> Points:
    """Return the points on the other side of the face."""
    return np.asarray(points * np.array([-1.0, 1.0]))


def shaded(color: Color, factor: float) -> Color:
    """Return a darker (below 1) or lighter (above 1) colour."""
    red, green, blue = (float(min(255.0, channel * factor)) for channel in color)
    return red, green, blue


def rgb(color: Sequence[float]) -> tuple[float, float, float]:
    """Return a colour as OpenCV takes it."""
    red, green, blue = (float(channel) for channel in color)
    return red, green, blue


_ANGLES = np.linspace(0, 2 * np.pi, 20, endpoint=False)
CIRCLE = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)
"""Points of the unit circle, float64 (20, 2)."""


def _spline_weights(steps: int) -> Points:
    """Return the weights of the four nodes around a segment at each step along it, float64 (steps, 4)."""
    share = np.arange(steps) / steps
    powers = np.stack([np.ones(steps), share, share**2, share**3], axis=1)
    catmull_rom = np.array([[0, 2, 0, 0], [-1, 0, 1, 0], [2, -5, 4, -1], [-1, 3, -3, 1]])
    return np.asarray(0.5 * powers @ catmull_rom)


_SPLINE = _spline_weights(8)
_MAX_SEGMENTS = 16
_AROUND = np.arange(_MAX_SEGMENTS)[:, None] + np.arange(4)
