"""How a frame is laid into a network's input, and the way back.

Coordinates are continuous: pixel i covers [i, i + 1), as ``cv2.resize`` has it. Enlarging by s then maps x to s * x
without an offset, and a box can be scaled back to fractions of a pixel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ...core.errors import InputSpecError

STRIDE = 32
"""The coarsest stride of the detectors; sides of their inputs are multiples of it."""


@dataclass(frozen=True)
class PixelFormat:
    """What a network was trained to see: ``(value - mean) * scale`` of each channel.

    Attributes:
        mean: Subtracted from the three channels (0 to 255), in the network's order.
        scale: Factor after that.
        is_rgb: Red first; otherwise blue first.
        padding: What the network's input holds where the frame does not reach.
    """

    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    scale: float = 1.0
    is_rgb: bool = False
    padding: float = 0.0


@dataclass(frozen=True)
class Letterbox:
    """A frame scaled evenly into the upper left corner of an input.

    Attributes:
        frame_size: Width and height of the frame in pixels.
        scaled_size: Width and height of the frame inside the input.
        input_size: Width and height of the input.
    """

    frame_size: tuple[int, int]
    scaled_size: tuple[int, int]
    input_size: tuple[int, int]

    @classmethod
    def within(
        cls, frame_size: tuple[int, int], *, max_side: int, max_enlargement: float, scale: float = 1.0
    ) -> Letterbox:
        """Fit a frame into an input that is as small as the frame allows.

        Args:
            frame_size: Width and height of the frame in pixels.
            max_side: Longest side of the scaled frame; a larger frame shrinks to it, a smaller one grows towards it.
            max_enlargement: Most that a frame may grow, as a factor.
            scale: Factor of the size that these two give.
        """
        scaled = _scaled(frame_size, min(max_side / max(frame_size), max_enlargement) * scale)
        width, height = (-(-side // STRIDE) * STRIDE for side in scaled)
        return cls(frame_size, scaled, (width, height))

    @classmethod
    def into(
        cls, frame_size: tuple[int, int], input_size: tuple[int, int], *, max_enlargement: float, scale: float = 1.0
    ) -> Letterbox:
        """Fit a frame into an input of a given width and height; the other arguments as for :meth:`within`."""
        room = min(input_size[0] / frame_size[0], input_size[1] / frame_size[1])
        return cls(frame_size, _scaled(frame_size, min(room, max_enlargement) * scale), input_size)

    @property
    def enlargement(self) -> float:
        """Factor by which the frame grows."""
        return max(self.scaled_size) / max(self.frame_size)

    def to_frame(self, points: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Map points of the input to the frame.

        Args:
            points: float32 (..., 2), x and y in pixels of the input.

        Returns:
            float32 (..., 2) in pixels of the frame; points in the padding fall outside it.
        """
        # Each axis has a factor of its own: the scaled sides were rounded to whole pixels.
        factors = np.divide(self.frame_size, self.scaled_size).astype(np.float32)
        mapped: npt.NDArray[np.float32] = points * factors
        return mapped

    def paint(self, frame: npt.NDArray[np.uint8], pixels: PixelFormat, out: npt.NDArray[np.float32]) -> None:
        """Write a frame into an input.

        Args:
            frame: uint8 (height, width, 3) RGB, or (height, width) grey.
            pixels: What the network was trained to see.
            out: float32 (3, input height, input width).
        """
        width, height = self.scaled_size
        scaled: npt.NDArray[Any] = frame
        if self.scaled_size != self.frame_size:
            # Cubic enlarging and area shrinking find no more faces (to half the size), and area is five times slower.
            scaled = cv2.resize(frame, self.scaled_size, interpolation=cv2.INTER_LINEAR)
        planes = [scaled] * 3 if scaled.ndim == 2 else cv2.split(scaled)
        for channel, plane in enumerate(planes if pixels.is_rgb else reversed(planes)):
            np.subtract(plane, np.float32(pixels.mean[channel]), out=out[channel, :height, :width])
        if pixels.scale != 1.0:
            out[:, :height, :width] *= np.float32(pixels.scale)
        out[:, height:] = pixels.padding
        out[:, :height, width:] = pixels.padding


def size_of_frame(frame: npt.NDArray[np.uint8]) -> tuple[int, int]:
    """Return width and height of a frame.

    Raises:
        InputSpecError: It is not a picture that a detector can take.
    """
    is_picture = frame.ndim == 2 or (frame.ndim == 3 and frame.shape[2] == 3)
    if frame.dtype != np.uint8 or not is_picture or frame.size == 0:
        raise InputSpecError(
            "faces cannot be looked for in this array",
            expected="uint8 (height, width, 3) RGB or (height, width) grey, at least one pixel",
            found=f"{frame.dtype} {frame.shape}",
        )
    return int(frame.shape[1]), int(frame.shape[0])


def _scaled(size: tuple[int, int], scale: float) -> tuple[int, int]:
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
