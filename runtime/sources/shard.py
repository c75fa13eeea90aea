"""Which of several boxes reads which source, without a service that would have to know."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ...core.errors import SourceError, UsageError
from .specification import SourceSpec

_FORM = re.compile(r"(\d{1,9})/(\d{1,9})", re.ASCII)
_64_BITS = 2**64 - 1


@dataclass(frozen=True)
class Shard:
    """One of ``count`` boxes that share a list of sources.

    A source belongs to a box by the hash of its name (jump consistent hash: Lamping and Veach, arXiv 1406.2294).
    Boxes have nearly the same number of sources. From n boxes to n + 1, one of n + 1 sources moves, always to the new
    box.

    Attributes:
        index: Number of this box, from 0 to ``count`` - 1, as orchestrators count.
        count: Boxes.
    """

    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Understand ``INDEX/COUNT``.

        Raises:
            UsageError: It is something else, or the index is not below the count.
        """
        found = _FORM.fullmatch(text)
        if found is None or int(found.group(1)) >= int(found.group(2)):
            raise UsageError("--shard cannot be read", expected="INDEX/COUNT from 0/COUNT on, as 3/16", found=text)
        return cls(int(found.group(1)), int(found.group(2)))

    def select(self, specs: Sequence[SourceSpec]) -> tuple[SourceSpec, ...]:
        """Return the sources of this box, in their order.

        Args:
            specs: Those of all boxes; their names are different.

        Raises:
            SourceError: There are none for this box.
        """
        own = tuple(spec for spec in specs if shard_of(spec.name, self.count) == self.index)
        if not own:
            raise SourceError(
                f"shard {self.index}/{self.count} has no source",
                expected="more sources than shards, many more: names decide which source goes where",
                found=f"sources in all: {len(specs)}",
                fix="start fewer boxes, and give --shard their number",
            )
        return own


def shard_of(name: str, count: int) -> int:
    """Return the number of the box that a source belongs to: the same on every machine and in every version.

    Args:
        name: Of the source.
        count: Boxes, 1 or more.
    """
    key = int.from_bytes(hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()[:8], "big")
    box, jump = 0, 0
    while jump < count:
        box = jump
        key = (key * 2862933555777941757 + 1) & _64_BITS
        jump = int((box + 1) * (2**31 / ((key >> 33) + 1)))
    return box
