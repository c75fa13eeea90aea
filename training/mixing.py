"""Faces blended with others of their batch, and their labels alike.

Zhang et al., "mixup: beyond empirical risk minimization", 2018.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Uint8Array = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Mixing:
    """Which faces of a batch are blended with which others; every face stays the larger part of itself.

    Attributes:
        own: float32 (N,), share of itself that a face keeps, 0.5 to 1.
        others: int64 (N,), with which face it is blended.
    """

    own: npt.NDArray[np.float32]
    others: npt.NDArray[np.int64]

    @classmethod
    def drawn(cls, count: int, share: float, rng: np.random.Generator) -> Mixing:
        """Draw for a batch of ``count`` faces; each is blended with the probability ``share``, 0 to 1."""
        own = np.where(rng.random(count) < share, rng.uniform(0.5, 1.0, count), 1.0).astype(np.float32)
        return cls(own, rng.permutation(count))


def blended(
    faces: tuple[Uint8Array, npt.NDArray[np.float32]],
    others: tuple[Uint8Array, npt.NDArray[np.float32]],
    own: npt.NDArray[np.float32],
) -> tuple[Uint8Array, npt.NDArray[np.float32]]:
    """Return weighted means of faces and others, uint8 (N, ...), and of their targets, float32 (N, K).

    Args:
        faces: Faces and their targets.
        others: The same shapes.
        own: float32 (N,), weight of the former, 0 to 1.
    """
    weight = own.reshape(-1, *[1] * (faces[0].ndim - 1))
    mixed = np.rint(weight * faces[0] + (1.0 - weight) * others[0]).astype(np.uint8)
    return mixed, own[:, None] * faces[1] + (1.0 - own[:, None]) * others[1]
