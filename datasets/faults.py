"""Collects everything that is wrong with a data set, so that its user mends all of it at once."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from ..core.errors import DatasetError

_log = logging.getLogger(__name__)

_NAMED_IN_MESSAGES = 5


@dataclass(frozen=True)
class SkippedFile:
    """A file, or an entry of a list, that cannot be used.

    Attributes:
        path: The file, or the file and line of the entry.
        reason: What is wrong with it.
    """

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path} ({self.reason})"


def settle(faults: Sequence[SkippedFile], *, dataset: str, skip_bad: bool) -> tuple[SkippedFile, ...]:
    """Raise one error that names the faults, or log once that they are skipped.

    Args:
        faults: What was found while opening.
        dataset: Name and split, for the message.
        skip_bad: Whether the user asked for skipping.

    Returns:
        The faults, as the opened data set exposes them.

    Raises:
        DatasetError: There are faults and skipping was not asked for.
    """
    if not faults:
        return ()
    named = ", ".join(str(fault) for fault in faults[:_NAMED_IN_MESSAGES])
    if len(faults) > _NAMED_IN_MESSAGES:
        named += f" and {len(faults) - _NAMED_IN_MESSAGES} more"
    entries = "entry" if len(faults) == 1 else "entries"
    if not skip_bad:
        raise DatasetError(
            f"{dataset} has {len(faults)} unusable {entries}",
            found=named,
            fix="mend or remove them, or ask for bad files to be skipped",
        )
    _log.warning("%s: skipped %d unusable %s: %s", dataset, len(faults), entries, named)
    return tuple(faults)
