"""Random changes of training faces."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from .face_variation import AugmentationConfig

Uint8Array = npt.NDArray[np.uint8]
Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class FaceChange:
    """What was drawn for one face, apart from the face: who leaves a face out can still draw what comes after it.

    Attributes:
        amounts: float64 (6,), -1 to 1: rotation, scale, two shifts, contrast, brightness.
        chances: float64 (2,), 0 to 1: mirrored below the probability of a mirror image, covered likewise.
        corner: float64 (4,), 0 to 1: size and place of what is covered.
    """

    amounts: Float64Array
    chances: Float64Array
    corner: Float64Array

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> FaceChange:
        """Draw a change; the same number of values is drawn for every face."""
        return cls(rng.uniform(-1.0, 1.0, size=6), rng.random(2), rng.random(4))


def augment_face(face: Uint8Array, size: int, config: AugmentationConfig, rng: np.random.Generator) -> Uint8Array:
    """Mirror, shift, scale, turn and partly cover a face, and bring it to the model's input size in the same step.

    Args:
        face: uint8 (height, width) or (height, width, 3).
        size: Side of the result.
        config: Largest changes.
        rng: Source of randomness; the same number of values is drawn for every face.

    Returns:
        uint8 (size, size) or (size, size, 3).
    """
    return changed_face(face, size, config, FaceChange.drawn(rng))


def changed_face(face: Uint8Array, size: int, config: AugmentationConfig, change: FaceChange) -> Uint8Array:
    """Do to a face what was drawn for it; see :func:`augment_face`."""
    draws = change.amounts
    mirror, covered = change.chances < (config.flip, config.erase)
    warped = cv2.warpAffine(
        face,
        _transform(face.shape[1] / size, face.shape[0] / size, size, config, draws, bool(mirror)),
        (size, size),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    gain = 1.0 + config.contrast * draws[4]
    bias = 255.0 * config.brightness * draws[5] + 128.0 * (1.0 - gain)
    table = np.clip(gain * np.arange(256) + bias, 0, 255).astype(np.uint8)
    changed = np.asarray(cv2.LUT(warped, table), np.uint8)
    if covered:
        _cover(changed, config.erase_side, change.corner)
    return changed


def _transform(
    stretch_x: float,
    stretch_y: float,
    size: int,
    config: AugmentationConfig,
    draws: npt.NDArray[np.float64],
    mirror: bool,
) -> npt.NDArray[np.float64]:
    # From pixels of the result to pixels of the face, both counted from their centres.
    angle = np.deg2rad(config.rotation_deg * draws[0])
    zoom = 1.0 + config.scale * draws[1]
    turn = zoom * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    if mirror:
        turn[:, 0] = -turn[:, 0]
    linear = np.diag([stretch_x, stretch_y]) @ turn
    center = (size - 1) / 2
    target = np.array([stretch_x, stretch_y]) * (center + 0.5 + size * config.shift * draws[2:4]) - 0.5
    return np.column_stack([linear, target - linear @ np.array([center, center])])


def _cover(face: Uint8Array, largest_side: float, corner: npt.NDArray[np.float64]) -> None:
    size = face.shape[0]
    height, width = (int(np.ceil(size * largest_side * (0.3 + 0.7 * part))) for part in corner[:2])
    top, left = int(corner[2] * (size - height + 1)), int(corner[3] * (size - width + 1))
    # The mean of the face, not black: a black patch would be the easiest feature of all.
    face[top : top + height, left : left + width] = face.mean(axis=(0, 1)).astype(np.uint8)
