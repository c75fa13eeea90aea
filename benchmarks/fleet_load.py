"""What a fleet of cameras asks of a server: when requests come, and how many faces each has."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Crowd:
    """Faces that one request has: of ``people`` in a picture each is read with probability ``read_share``.

    Pictures without a face to read make no request.
    """

    people: int = 16
    read_share: float = 0.3

    def __post_init__(self) -> None:
        if self.people < 1 or not 0.0 < self.read_share <= 1.0:
            raise ValueError(f"an impossible crowd: {self}")

    @property
    def mean_faces(self) -> float:
        """Mean faces of a picture, those without any included."""
        return self.people * self.read_share

    @property
    def asking_share(self) -> float:
        """Share of the pictures that make a request."""
        return 1.0 - (1.0 - self.read_share) ** self.people

    def draw(self, count: int, rng: np.random.Generator) -> Array:
        """Draw the faces of so many pictures, 0 included: int64 (count,)."""
        return rng.binomial(self.people, self.read_share, count)


def from_cameras(
    faces_per_s: float,
    crowd: Crowd,
    seconds: float,
    rng: np.random.Generator,
    *,
    fps: float = 10.0,
    jitter: float = 0.1,
) -> tuple[Array, Array]:
    """Let as many cameras as give so many faces send their pictures.

    Each has a phase of its own. A picture is off its time by a normal error, ``jitter`` of a period.

    Args:
        faces_per_s: Faces to read, all cameras together.
        crowd: What each sees.
        seconds: How long.
        rng: Random numbers.
        fps: Pictures a second and camera; slightly other where the number of cameras has to be whole.
        jitter: Standard deviation of a picture's moment, in periods.

    Returns:
        Moments float64 (N,), rising from 0, and faces int64 (N,) of 1 or more.
    """
    cameras = max(round(faces_per_s / (fps * crowd.mean_faces)), 1)
    period_s = cameras * crowd.mean_faces / faces_per_s
    pictures = int(seconds / period_s) + 2
    moments = rng.random((cameras, 1)) - 1 + np.arange(pictures) + jitter * rng.standard_normal((cameras, pictures))
    return _asking(moments.ravel() * period_s, crowd, seconds, rng)


def at_random(faces_per_s: float, crowd: Crowd, seconds: float, rng: np.random.Generator) -> tuple[Array, Array]:
    """Let pictures come independently of each other (Poisson), as of very many cameras; see :func:`from_cameras`."""
    count = rng.poisson(seconds * faces_per_s / crowd.mean_faces)
    return _asking(rng.uniform(0.0, seconds, count), crowd, seconds, rng)


def _asking(moments_s: Array, crowd: Crowd, seconds: float, rng: np.random.Generator) -> tuple[Array, Array]:
    moments_s = np.sort(moments_s[(moments_s >= 0.0) & (moments_s < seconds)])
    faces = crowd.draw(len(moments_s), rng)
    return moments_s[faces > 0], faces[faces > 0]
