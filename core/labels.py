"""Expression names and the label orders of the public data sets.

Every data set numbers the expressions differently, and mixing two orders up is the classic silent error of the
field. Inside fsrfer an expression is its canonical name; a number means something only together with the tuple of
names that it indexes, and that tuple travels in the bundle.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

from .errors import DatasetError

CANONICAL_LABELS: tuple[str, ...] = (
    "neutral",
    "happiness",
    "surprise",
    "sadness",
    "anger",
    "disgust",
    "fear",
    "contempt",
)
"""All names that fsrfer knows, in the order of FER+."""

FERPLUS_LABELS: tuple[str, ...] = CANONICAL_LABELS
"""Columns 1 to 8 of FER+ (Barsoum et al., 2016); ``unknown`` and ``NF`` follow them and are not expressions."""

FER2013_LABELS: tuple[str, ...] = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
"""FER2013 (Goodfellow et al., 2013), class 0 to 6."""

RAFDB_LABELS: tuple[str, ...] = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")
"""RAF-DB (Li et al., 2017), basic expressions; the files count from 1."""

AFFECTNET_LABELS: tuple[str, ...] = (
    "neutral",
    "happiness",
    "sadness",
    "surprise",
    "fear",
    "disgust",
    "anger",
    "contempt",
)
"""AffectNet (Mollahosseini et al., 2017), class 0 to 7."""

SYNONYMS = MappingProxyType(
    {
        "angry": "anger",
        "disgusted": "disgust",
        "fearful": "fear",
        "scared": "fear",
        "happy": "happiness",
        "joy": "happiness",
        "sad": "sadness",
        "surprised": "surprise",
        "contemptuous": "contempt",
        "calm": "neutral",
    }
)
"""Other spellings that data sets use for a canonical name."""


def canonical_label(name: str) -> str:
    """Return the canonical name of an expression.

    Args:
        name: A canonical name or a synonym, in any case.

    Raises:
        DatasetError: The name is neither.
    """
    key = name.strip().lower()
    key = SYNONYMS.get(key, key)
    if key not in CANONICAL_LABELS:
        raise DatasetError(
            f"unknown expression {name!r}",
            expected=f"one of {', '.join(CANONICAL_LABELS)}, or {', '.join(SYNONYMS)}",
            fix="rename the label, or leave these faces out",
        )
    return key


def index_mapping(source: Sequence[str], target: Sequence[str]) -> tuple[int, ...]:
    """Return, for each position of ``source``, the position of the same expression in ``target``.

    Args:
        source: Canonical names in the order of the labels at hand.
        target: Canonical names in the order that is wanted.

    Raises:
        DatasetError: ``target`` lacks an expression of ``source``.
    """
    missing = [name for name in source if name not in target]
    if missing:
        raise DatasetError(
            f"no place for the expressions {', '.join(missing)}",
            expected=f"a subset of {', '.join(target)}",
            found=", ".join(source),
            fix="use data with the labels of the model, or train a model with the labels of the data",
        )
    return tuple(list(target).index(name) for name in source)
