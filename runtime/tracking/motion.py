"""Where faces move: one Kalman filter for every coordinate of every box, all in a handful of array operations.

A box is its centre and the logarithms of its width and height. Each of the four moves on its own with a velocity that
fades: an integrated Ornstein-Uhlenbeck process (Johnson et al., "Continuous-time correlated random walk model for
animal telemetry data", Ecology 89(5), 2008). Compared with the constant velocity of SORT (Bewley et al.,
arXiv 1602.00763), from which it does not differ over a few frames,

- a step is exact for any length: two steps of half the time give the same as one, so dropped frames and uneven rates
  cost nothing;
- after a long gap the box lies at most ``persistence_s`` of its velocity away, and its uncertainty grows like the
  root of time instead of the third power: nothing overflows.

Noise is a fraction of the face's size, as in DeepSORT (Wojke et al., arXiv 1703.07402) and ByteTrack (Zhang et al.,
arXiv 2110.06864). Since coordinates do not mix, a covariance is three numbers and no matrix is ever inverted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...core.errors import UsageError

FloatArray = npt.NDArray[np.float64]

FARTHEST_PX = 1e6
"""Coordinates beyond it are no places in a frame."""

_LOG_SIZES = (np.log(0.1), np.log(1e5))


@dataclass(frozen=True)
class MotionConfig:
    """How faces move and how well a detector places them. A size is the root of a box's width times its height.

    Attributes:
        speed: Standard deviation of a face's velocity along one axis, in sizes a second. Somebody who walks past makes
            about six: 1.4 m/s at 0.23 m from hairline to chin.
        growth: Standard deviation of the rate at which the logarithm of a side changes, per second.
        persistence_s: Time constant with which a velocity is forgotten.
        jitter: Standard deviation of a detected centre in sizes, and of the logarithm of a detected side.
        jitter_px: What comes on top of it in pixels, however small the face is.

    Raises:
        UsageError: A value is not a number above 0.
    """

    speed: float = 2.0
    growth: float = 0.15
    persistence_s: float = 1.5
    jitter: float = 0.06
    jitter_px: float = 0.4

    def __post_init__(self) -> None:
        values = (self.speed, self.growth, self.persistence_s, self.jitter, self.jitter_px)
        if not all(0.0 < value < np.inf for value in values):
            raise UsageError("impossible motion of faces", expected="numbers above 0", found=self)


class BoxMotion:
    """The motion of T boxes. Rows are in the order in which they were appended; coordinates are float64.

    Args:
        config: How faces move.
    """

    def __init__(self, config: MotionConfig | None = None) -> None:
        self._config = config or MotionConfig()
        self._position = np.zeros((0, 4))
        self._velocity = np.zeros((0, 4))
        self._position_var = np.zeros((0, 4))
        self._covariance = np.zeros((0, 4))
        self._velocity_var = np.zeros((0, 4))

    def __len__(self) -> int:
        return len(self._position)

    def append(self, boxes: npt.NDArray[np.float32]) -> None:
        """Begin to follow boxes that nothing is known about but where they are.

        Args:
            boxes: float32 (N, 4), x0, y0, x1, y1 in pixels, finite and not empty.
        """
        position = coordinates_of(boxes)
        self._position = np.concatenate([self._position, position])
        self._velocity = np.concatenate([self._velocity, np.zeros_like(position)])
        self._position_var = np.concatenate([self._position_var, self._jitter_var(position)])
        self._covariance = np.concatenate([self._covariance, np.zeros_like(position)])
        self._velocity_var = np.concatenate([self._velocity_var, self._speed_var(position)])

    def keep(self, rows: npt.NDArray[np.bool_]) -> None:
        """Forget the boxes for which ``rows``, bool (T,), is False."""
        self._position = self._position[rows]
        self._velocity = self._velocity[rows]
        self._position_var = self._position_var[rows]
        self._covariance = self._covariance[rows]
        self._velocity_var = self._velocity_var[rows]

    def advance(self, elapsed_s: float) -> None:
        """Let time pass for all boxes.

        Args:
            elapsed_s: Seconds, 0 or more.
        """
        tau = self._config.persistence_s
        kept = np.exp(-elapsed_s / tau)  # of the velocity
        reach = -tau * np.expm1(-elapsed_s / tau)  # how far a velocity of 1 carries
        noise = self._speed_var(self._position)
        # The exact integral; the difference of nearly equal numbers for short steps must not fall below 0.
        drift_var = tau * tau * max(2.0 * elapsed_s / tau - 3.0 + 4.0 * kept - kept * kept, 0.0)
        self._position_var += 2.0 * reach * self._covariance + reach**2 * self._velocity_var + noise * drift_var
        self._covariance = kept * (self._covariance + reach * self._velocity_var) + noise * reach**2 / tau
        self._velocity_var = kept**2 * self._velocity_var + noise * (1.0 - kept**2)
        self._position = _bounded(self._position + reach * self._velocity)
        self._velocity *= kept

    def correct(self, rows: npt.NDArray[np.intp], boxes: npt.NDArray[np.float32]) -> None:
        """Take in where some of the boxes were found now.

        Args:
            rows: Which, (M,) without repeats.
            boxes: float32 (M, 4), x0, y0, x1, y1 in pixels, finite and not empty.
        """
        found = coordinates_of(boxes)
        position_var, covariance = self._position_var[rows], self._covariance[rows]
        innovation = found - self._position[rows]
        total_var = position_var + self._jitter_var(found)
        gain, velocity_gain = position_var / total_var, covariance / total_var
        self._position[rows] += gain * innovation
        self._velocity[rows] += velocity_gain * innovation
        self._position_var[rows] = (1.0 - gain) * position_var
        self._covariance[rows] = (1.0 - gain) * covariance
        self._velocity_var[rows] -= velocity_gain * covariance

    def boxes(self, after_s: float = 0.0) -> npt.NDArray[np.float32]:
        """Return where the boxes are, or will be if nothing else is seen of them.

        Args:
            after_s: How far to look ahead, in seconds, 0 or more; nothing is changed by looking.

        Returns:
            float32 (T, 4), x0, y0, x1, y1 in pixels; may lie outside the frame.
        """
        reach = -self._config.persistence_s * np.expm1(-after_s / self._config.persistence_s)
        return boxes_of(_bounded(self._position + reach * self._velocity))

    @property
    def spread(self) -> FloatArray:
        """Standard deviation of each box's centre along one axis, in pixels: float64 (T,)."""
        spread: FloatArray = np.sqrt(self._position_var[:, 0])
        return spread

    def _speed_var(self, position: FloatArray) -> FloatArray:
        sizes = sizes_of(position)
        return _by_axis((self._config.speed * sizes) ** 2, np.full(len(sizes), self._config.growth**2))

    def _jitter_var(self, position: FloatArray) -> FloatArray:
        sizes = sizes_of(position)
        relative = np.hypot(self._config.jitter, self._config.jitter_px / sizes)
        return _by_axis((relative * sizes) ** 2, relative**2)


def coordinates_of(boxes: npt.NDArray[np.float32]) -> FloatArray:
    """Turn boxes, float32 (N, 4), into centre and logarithms of width and height, float64 (N, 4)."""
    corners = boxes.astype(np.float64)
    centers = (corners[:, :2] + corners[:, 2:]) / 2.0
    return np.concatenate([centers, np.log(corners[:, 2:] - corners[:, :2])], axis=1)


def boxes_of(coordinates: FloatArray) -> npt.NDArray[np.float32]:
    """Undo :func:`coordinates_of`."""
    half_sides = np.exp(coordinates[:, 2:]) / 2.0
    corners = np.concatenate([coordinates[:, :2] - half_sides, coordinates[:, :2] + half_sides], axis=1)
    return corners.astype(np.float32)


def sizes_of(coordinates: FloatArray) -> FloatArray:
    """Return the root of width times height in pixels, float64 (N,), of coordinates (N, 4)."""
    sizes: FloatArray = np.exp(coordinates[:, 2:].mean(axis=1))
    return sizes


def _by_axis(of_center: FloatArray, of_sides: FloatArray) -> FloatArray:
    return np.stack([of_center, of_center, of_sides, of_sides], axis=1)


def _bounded(coordinates: FloatArray) -> FloatArray:
    coordinates[:, :2] = np.clip(coordinates[:, :2], -FARTHEST_PX, FARTHEST_PX)
    coordinates[:, 2:] = np.clip(coordinates[:, 2:], *_LOG_SIZES)
    return coordinates
