"""What a source leaves out, counted."""

from __future__ import annotations

import logging
from collections.abc import Mapping

_LOGGER = logging.getLogger(__name__)


class SourceCounters:
    """Counts of one source, over all its connections; they only grow.

    One thread writes at a time and others may read: whole numbers cannot be seen half-written.

    Attributes:
        skipped: Frames that the cap on the rate left out.
        decode_errors: Packets that could not be decoded, and frames that came out damaged.
        damaged: Frames left out since they build on one that was damaged or missing.
        behind: Packets of a live stream left out undecoded, to catch up with it.
        hung: Reads that did not end in time and were left behind.

    Args:
        name: Name of the source; holds no credentials.
    """

    def __init__(self, name: str) -> None:
        self.skipped = 0
        self.decode_errors = 0
        self.damaged = 0
        self.behind = 0
        self.hung = 0
        self._name = name

    def note_decode_error(self) -> None:
        """Count an error of decoding, and say so the first time."""
        self.decode_errors += 1
        if self.decode_errors == 1:
            _LOGGER.warning("%s: a frame cannot be decoded and is left out; further ones are only counted", self._name)

    def note_behind(self) -> None:
        """Count a packet that is left out to catch up, and say so the first time."""
        self.behind += 1
        if self.behind == 1:
            _LOGGER.warning("%s comes faster than it is decoded here; frames are left out to catch up", self._name)

    def as_mapping(self) -> Mapping[str, int]:
        """Return the counts by their names."""
        return {
            "skipped": self.skipped,
            "decode_errors": self.decode_errors,
            "damaged": self.damaged,
            "behind": self.behind,
            "hung": self.hung,
        }
