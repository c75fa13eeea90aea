"""The three splits that every data set is divided into."""

from __future__ import annotations

from ..core.errors import UsageError

SPLITS: tuple[str, ...] = ("train", "valid", "test")
"""``train`` fits weights, ``valid`` chooses among them, ``test`` is looked at once."""


def check_split(split: str) -> str:
    """Return the split's name.

    Raises:
        UsageError: It is not one of :data:`SPLITS`.
    """
    if split not in SPLITS:
        raise UsageError("unknown split", expected=f"one of {', '.join(SPLITS)}", found=repr(split))
    return split
