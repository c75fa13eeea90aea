"""The number of cameras from which on more of them bring few more frames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .knees import KNEE_SHARE


@dataclass(frozen=True)
class CameraKnee:
    """The smallest number of cameras that reaches 95 % of the highest frames/s of all numbers that were tried.

    Attributes:
        sources: That number.
        frames_per_second: What it reaches.
        best_sources: The number with the highest frames/s.
        best_frames_per_second: What that one reaches.
        is_open: It is the largest number that was tried: more cameras may bring more frames still.
    """

    sources: int
    frames_per_second: float
    best_sources: int
    best_frames_per_second: float
    is_open: bool


def find_camera_knee(frames_per_second: Mapping[int, float]) -> CameraKnee | None:
    """Find the knee of a curve.

    Args:
        frames_per_second: Frames/s whose results came out, by number of cameras.

    Returns:
        The knee; None for fewer than two numbers, or where no result came out.
    """
    if len(frames_per_second) < 2 or max(frames_per_second.values()) <= 0:
        return None
    best, highest = max(frames_per_second.items(), key=lambda item: item[1])
    knee = min(number for number, rate in frames_per_second.items() if rate >= KNEE_SHARE * highest)
    return CameraKnee(knee, frames_per_second[knee], best, highest, knee == max(frames_per_second))
