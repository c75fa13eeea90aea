"""Whether a face's result depends on what else is in its batch, which it never should.

TensorRT engines have given different answers to identical rows of a batch (NVIDIA/TensorRT issue 4813), and tactics
differ between batch sizes. Nobody notices on single faces.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..core.errors import InputSpecError
from .forms import Classify

Uint8Array = npt.NDArray[np.uint8]
Float32Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class RowCheck:
    """Largest differences of a logit between runs that should be equal row by row.

    Attributes:
        batch_sizes: Batch sizes that were run.
        identical_rows: Between rows of a batch of one face, repeated.
        permuted_rows: Between a batch and the same rows in another order.
        other_batch_sizes: Between a face in the smallest batch and in any other.
    """

    batch_sizes: tuple[int, ...]
    identical_rows: float
    permuted_rows: float
    other_batch_sizes: float


def check_rows(
    classify: Classify, faces: Uint8Array, face_size_px: Float32Array, batches: tuple[int, int, int]
) -> RowCheck:
    """Run faces alone, together, repeated and in another order.

    Args:
        classify: The model.
        faces: uint8 (N, C, H, W), N at least 1; used again and again where a batch has more.
        face_size_px: float32 (N,).
        batches: Smallest, optimal and largest batch size that the model serves; an odd one is run besides.

    Raises:
        InputSpecError: There is no face, or the sizes are not ascending.
    """
    low, best, high = batches
    if len(faces) == 0 or not 1 <= low <= best <= high:
        raise InputSpecError("rows cannot be checked", expected="faces, ascending batch sizes", found=batches)
    odd = min(high, max(low, best - 1 if best % 2 == 0 else best - 2))
    sizes = tuple(sorted({low, odd, best, high}))
    order = np.arange(high) % len(faces)
    rows, native = faces[order], face_size_px[order]
    alone = np.concatenate([classify(rows[i : i + low], native[i : i + low]) for i in range(0, high - low + 1, low)])
    others, identical, permuted = 0.0, 0.0, 0.0
    shuffle = np.random.default_rng(0)
    for size in sizes:
        together = classify(rows[:size], native[:size])
        known = min(size, len(alone))
        others = _larger(others, together[:known] - alone[:known])
        turned = shuffle.permutation(size)
        permuted = _larger(permuted, classify(rows[:size][turned], native[:size][turned]) - together[turned])
        same = classify(np.repeat(rows[:1], size, axis=0), np.repeat(native[:1], size))
        identical = _larger(identical, same - same[:1])
    return RowCheck(sizes, identical, permuted, others)


def _larger(known: float, differences: Float32Array) -> float:
    return float(np.max([known, np.abs(differences).max()]))
