"""Which temperature a face's logits are divided by."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from .bundle import TemperatureBand


def temperatures_for(
    face_size_px: npt.NDArray[np.float32], bands: Sequence[TemperatureBand]
) -> npt.NDArray[np.float32]:
    """Return each face's temperature: that of the largest band it reaches, 1 where there is no band.

    Faces below the first band take the first band's: extrapolating downwards would make the least readable faces the
    most confident ones.

    Args:
        face_size_px: float32 (N,), native size of each face in pixels.
        bands: Confidence calibration, ascending in size.

    Returns:
        float32 (N,), above 0.
    """
    if not bands:
        return np.ones(len(face_size_px), np.float32)
    starts = np.array([band.min_face_px for band in bands], np.float32)
    values = np.array([band.temperature for band in bands], np.float32)
    positions = np.searchsorted(starts, face_size_px, side="right") - 1
    return np.asarray(values[np.maximum(positions, 0)], np.float32)
