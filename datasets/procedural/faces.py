"""Drawn faces as a data set.

A toy: it needs no download, has exact labels and shows whether a pipeline is wired rightly. Accuracy on it says nothing
about accuracy on people.
"""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from ...core.errors import UsageError
from ..sample import FaceSample
from .expressions import LABELS, sample_action_units
from .identity import sample_circumstances, sample_identity
from .rendering import FaceParameters, render_face

VERSION = 1
_SPLIT_KEYS = MappingProxyType({"train": 0, "valid": 1, "test": 2})
_DEFAULT_COUNTS = MappingProxyType({"train": 6000, "valid": 700, "test": 1400})


class ProceduralFaces:
    """Drawn faces of seven expressions; implements :class:`fsrfer.datasets.FaceDataset`.

    A face follows from seed, split and index alone, so it is the same whatever the number of faces. No person of one
    split is in another. Expressions come in turn.

    Args:
        split: ``train``, ``valid`` or ``test``.
        seed: Key of everything random.
        count: Number of faces; 6000, 700 and 1400 where it is left out.
        size: Side of each face in pixels.

    Raises:
        UsageError: The split is unknown, or a number is out of range.
    """

    def __init__(self, split: str, *, seed: int = 0, count: int | None = None, size: int = 48) -> None:
        if split not in _SPLIT_KEYS or (count is not None and count < 1) or seed < 0 or not 4 <= size <= 1024:
            raise UsageError(
                "impossible procedural faces",
                expected=f"{', '.join(_SPLIT_KEYS)}; a seed from 0, a count from 1, a size from 4 to 1024",
                found=f"{split}, seed {seed}, {count} faces, {size} px",
            )
        self.name = "procedural"
        self.split = split
        self.labels = LABELS
        self.soft_labels: npt.NDArray[np.float32] | None = None
        self._seed = seed
        self._size = size
        self.label_indices = np.arange(count or _DEFAULT_COUNTS[split], dtype=np.int64) % len(LABELS)
        self.label_indices.setflags(write=False)

    @property
    def dataset_id(self) -> str:
        """Version, split and options: they determine every pixel up to the version of OpenCV."""
        return f"procedural-v{VERSION}/{self.split}?seed={self._seed}&count={len(self)}&size={self._size}"

    def __len__(self) -> int:
        return len(self.label_indices)

    def __getitem__(self, index: int) -> FaceSample:
        label = int(self.label_indices[index])
        key = [self._seed, _SPLIT_KEYS[self.split], index % len(self)]
        image = render_face(sample_parameters(LABELS[label], key), self._size)
        return FaceSample(image, label, None, f"{self.split}-{index % len(self):06d}")


def sample_parameters(expression: str, key: list[int]) -> FaceParameters:
    """Return a random face of an expression.

    Args:
        expression: One of :data:`~fsrfer.datasets.procedural.LABELS`.
        key: Numbers that determine it.
    """
    rng = np.random.default_rng(key)
    person = sample_identity(rng)
    circumstances = sample_circumstances(rng)
    noise_seed = int(rng.integers(2**31))
    return FaceParameters(person, sample_action_units(expression, rng), circumstances, noise_seed)
