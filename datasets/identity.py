"""Text that identifies the content of a data set, wherever its files lie."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

_SHOWN_DIGITS = 16


def dataset_id(name: str, split: str, options: Mapping[str, object], count: int, digest: str) -> str:
    """Compose the identity of a data set.

    Args:
        name: Short name of the data set.
        split: ``train``, ``valid`` or ``test``.
        options: What changes the content (``variant``, ``votes``), in a fixed order.
        count: Number of faces.
        digest: Hexadecimal hash of the content.

    Returns:
        Such as ``ferplus/test?votes=majority&faces=3519&sha256=0123456789abcdef``.
    """
    parts = {**options, "faces": count, "sha256": digest[:_SHOWN_DIGITS]}
    return f"{name}/{split}?" + "&".join(f"{key}={value}" for key, value in parts.items())


def content_digest(
    labels: Sequence[str],
    label_indices: npt.NDArray[np.int64],
    sample_ids: Sequence[str],
    soft_labels: npt.NDArray[np.float32] | None,
    images: Iterable[bytes | memoryview],
) -> str:
    """Hash everything that a reader of the data set can see.

    Args:
        labels: Expression names.
        label_indices: int64 (N,).
        sample_ids: N names.
        soft_labels: float32 (N, classes), or None.
        images: The pixels, or a digest of each file.

    Returns:
        SHA-256, 64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    # Each part is preceded by its length, so that no two sequences of parts concatenate to the same bytes.
    for part in (
        "\0".join(labels).encode(),
        np.ascontiguousarray(label_indices, "<i8").tobytes(),
        "\0".join(sample_ids).encode(),
        b"" if soft_labels is None else np.ascontiguousarray(soft_labels, "<f4").tobytes(),
        *images,
    ):
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()
