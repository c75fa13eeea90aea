"""Small faces as cameras deliver them: misaligned, blurred, sampled by any kernel, noisy, compressed.

The clean protocol (anti-aliased bicubic down-sampling alone) flatters every model: no camera delivers such faces. Here
a face passes, in this order, the jitter of a detector's box, the blur of optics and motion, a resampling kernel, sensor
noise, and JPEG. Everything is drawn from one generator, so a seed freezes the track.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from ..core.errors import InputSpecError
from ..core.resample import bicubic_resize

Uint8Array = npt.NDArray[np.uint8]

_BLOCK = 8  # JPEG codes blocks of 8x8 pixels


@dataclass(frozen=True)
class DegradationRange:
    """How bad it can get. Each value is the end of a range that is drawn from uniformly.

    Attributes:
        shift: Largest shift of the crop along each axis, as a fraction of the face's side.
        scale: Largest relative change of the crop's size.
        rotation_deg: Largest rotation, in degrees.
        blur_px: Largest standard deviation of the optical blur, in pixels of the small face.
        motion_px: Longest motion blur, in pixels of the small face; half of the faces stand still.
        gamma: Largest change of the exposure: the exponent lies between 1 / gamma and gamma.
        noise: Largest standard deviation of the sensor's noise, in grey levels.
        jpeg_quality: Lowest and highest quality of the compression, 1 to 100.
        kernels: Resampling kernels, names of :data:`KERNELS`, drawn with equal probability.
    """

    shift: float = 0.06
    scale: float = 0.1
    rotation_deg: float = 6.0
    blur_px: float = 0.6
    motion_px: float = 1.0
    gamma: float = 1.4
    noise: float = 6.0
    jpeg_quality: tuple[int, int] = (35, 95)
    kernels: tuple[str, ...] = ("antialiased-bicubic", "area", "bilinear", "bicubic", "lanczos", "nearest")

    def __post_init__(self) -> None:
        low, high = self.jpeg_quality
        unknown = [name for name in self.kernels if name not in KERNELS]
        lengths = (self.shift, self.scale, self.rotation_deg, self.blur_px, self.motion_px, self.noise)
        if unknown or not self.kernels or not 1 <= low <= high <= 100 or self.gamma < 1 or min(lengths) < 0:
            raise InputSpecError(
                "impossible degradation",
                expected=f"kernels out of {', '.join(KERNELS)}, qualities of 1 to 100 in ascending order, a gamma of 1 "
                "or more, nothing below 0",
                found=self,
            )


KERNELS: dict[str, int | None] = {
    "antialiased-bicubic": None,
    "area": cv2.INTER_AREA,
    "bilinear": cv2.INTER_LINEAR,
    "bicubic": cv2.INTER_CUBIC,
    "lanczos": cv2.INTER_LANCZOS4,
    "nearest": cv2.INTER_NEAREST,
}
"""Resampling kernels by name; all of OpenCV's but ``area`` alias, as hardware scalers do."""

REALISTIC_TRACK = DegradationRange()
"""What the realistic track of the accuracy tables draws from. Changing it changes the track: rename it then."""

REALISTIC_TRACK_NAME = "realistic-1"


def realistic_face(face: Uint8Array, size: int, seed: int, sample_id: str) -> Uint8Array:
    """Return a face of the realistic track.

    Args:
        face: uint8 (H, W) grey or (H, W, 3) RGB.
        size: Side of the result in pixels, 1 or more, at most the face's shorter side.
        seed: Seed of the track, 0 or more.
        sample_id: Name of the face: with seed and size, it decides everything that is drawn.

    Returns:
        uint8 (size, size) or (size, size, 3).
    """
    rng = np.random.default_rng([seed, size, zlib.crc32(sample_id.encode())])
    return degrade(jitter(face, REALISTIC_TRACK, rng), size, REALISTIC_TRACK, rng)


def jitter(face: Uint8Array, ranges: DegradationRange, rng: np.random.Generator) -> Uint8Array:
    """Shift, scale and turn a face as if its box had been found a little wrong.

    Args:
        face: uint8 (H, W) or (H, W, 3).
        ranges: Largest changes.
        rng: Source of randomness; four numbers are drawn.

    Returns:
        The same shape; pixels from outside repeat the border's.
    """
    turn, zoom, right, down = rng.uniform(-1.0, 1.0, 4)
    height, width = face.shape[:2]
    center = ((width - 1) / 2, (height - 1) / 2)
    turned = cv2.getRotationMatrix2D(center, ranges.rotation_deg * turn, 1.0 + ranges.scale * zoom)
    matrix = np.array(turned, np.float64)
    matrix[:, 2] += np.array([width * right, height * down]) * ranges.shift
    moved = cv2.warpAffine(face, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.uint8)


@dataclass(frozen=True)
class DegradationDraw:
    """What was drawn for one small face, apart from the face: who leaves a face out can still draw what comes after it.

    Attributes:
        amounts: float64 (7,), 0 to 1: blur, whether it moves, how far, in which direction, exposure, quality, kernel.
        strength: Of the noise, 0 to 1.
        noise: float32, the small face's shape, of unit variance.
        phase: int64 (2,), where the blocks of the compression begin, down and right.
    """

    amounts: npt.NDArray[np.float64]
    strength: float
    noise: npt.NDArray[np.float32]
    phase: npt.NDArray[np.int64]

    @classmethod
    def drawn(cls, shape: tuple[int, ...], rng: np.random.Generator) -> DegradationDraw:
        """Draw for a small face of a shape, (size, size) or (size, size, 3)."""
        return cls(rng.random(7), rng.random(), rng.standard_normal(shape, np.float32), rng.integers(0, _BLOCK, 2))


def degrade(face: Uint8Array, size: int, ranges: DegradationRange, rng: np.random.Generator) -> Uint8Array:
    """Blur, shrink, expose, add noise to and compress a face.

    Args:
        face: uint8 (H, W) or (H, W, 3).
        size: Side of the result in pixels, 1 or more, at most the face's shorter side.
        ranges: How bad it can get.
        rng: Source of randomness.

    Returns:
        uint8 (size, size) or (size, size, 3).

    Raises:
        InputSpecError: The face is smaller than the size.
    """
    if not 1 <= size <= min(face.shape[:2]):
        raise InputSpecError("a face cannot be shrunk", expected=f"1 to {min(face.shape[:2])} px", found=f"{size} px")
    return degraded_face(face, size, ranges, DegradationDraw.drawn((size, size, *face.shape[2:]), rng))


def degraded_face(face: Uint8Array, size: int, ranges: DegradationRange, draw: DegradationDraw) -> Uint8Array:
    """Do to a face what was drawn for it; see :func:`degrade`."""
    blur, moving, length, angle, exposure, quality, choice = draw.amounts
    scale = min(face.shape[:2]) / size
    blurred = _blurred(face, ranges.blur_px * blur * scale)
    if moving < 0.5:
        blurred = _moved(blurred, ranges.motion_px * length * scale, np.pi * angle)
    small = _resampled(blurred, size, ranges.kernels[int(choice * len(ranges.kernels))])
    share = small.astype(np.float32) / np.float32(255.0)
    exposed = np.float32(255.0) * share ** np.float32(ranges.gamma ** (2.0 * exposure - 1.0))
    noisy = exposed + np.float32(ranges.noise * draw.strength) * draw.noise
    low, high = ranges.jpeg_quality
    coded = low + int(quality * (high - low + 1))
    return _compressed(np.clip(np.rint(noisy), 0, 255).astype(np.uint8), coded, draw.phase)


def _blurred(face: Uint8Array, sigma: float) -> Uint8Array:
    if sigma < 0.1:  # nothing to see in 8 bits
        return face
    return np.asarray(cv2.GaussianBlur(face, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE), np.uint8)


def _moved(face: Uint8Array, length: float, angle: float) -> Uint8Array:
    """Average along a line of ``length`` pixels."""
    steps = int(np.ceil(length))
    if steps < 1:
        return face
    side = 2 * ((steps + 1) // 2) + 1
    kernel = np.zeros((side, side), np.float32)
    along = np.linspace(-length / 2, length / 2, 2 * side)
    rows = np.rint(side // 2 + along * np.sin(angle)).astype(np.int64)
    columns = np.rint(side // 2 + along * np.cos(angle)).astype(np.int64)
    np.add.at(kernel, (rows, columns), np.float32(1.0 / len(along)))
    return np.asarray(cv2.filter2D(face, -1, kernel, borderType=cv2.BORDER_REPLICATE), np.uint8)


def _resampled(face: Uint8Array, size: int, kernel: str) -> Uint8Array:
    if face.shape[:2] == (size, size):
        return face
    flag = KERNELS[kernel]
    if flag is None:
        return bicubic_resize(face, size)
    return np.asarray(cv2.resize(face, (size, size), interpolation=flag), np.uint8)


def _compressed(face: Uint8Array, quality: int, phase: npt.NDArray[np.int64]) -> Uint8Array:
    # The blocks of a frame lie anywhere on a face: the face is coded with some of its surroundings, off the grid.
    size = face.shape[0]
    top, left = int(phase[0]), int(phase[1])
    bottom, right = -(top + size) % _BLOCK, -(left + size) % _BLOCK
    framed = cv2.copyMakeBorder(face, top, bottom, left, right, cv2.BORDER_REPLICATE)
    # RGB passes for BGR in both directions; the two differ in how much of red and blue survives, which is little.
    _, coded = cv2.imencode(".jpg", framed, [cv2.IMWRITE_JPEG_QUALITY, min(quality, 100)])
    decoded = np.asarray(cv2.imdecode(coded, cv2.IMREAD_UNCHANGED), np.uint8)
    return np.ascontiguousarray(decoded[top : top + size, left : left + size])
