"""Short names of sources for file names and topics."""

from __future__ import annotations

import re
from pathlib import Path

from ..sources.address import is_address

_LONGEST = 100  # names of files may have 255 characters, and this is a part of one


class SourceSlugs:
    """Gives every source a short name of letters, digits, dots, dashes and underlines that no other has."""

    def __init__(self) -> None:
        self._slugs: dict[str, str] = {}
        self._taken: set[str] = set()

    def slug_of(self, source: str) -> str:
        """Return the short name; the later of two sources that would share one is numbered.

        Args:
            source: Name of the source.
        """
        if source not in self._slugs:
            stem = _file_name_part(source)
            slug, count = stem, 1
            while slug in self._taken:
                count += 1
                slug = f"{stem}-{count}"
            self._taken.add(slug)
            self._slugs[source] = slug
        return self._slugs[source]


def _file_name_part(source: str) -> str:
    text = source.partition("://")[2] if is_address(source) else Path(source).stem
    slug = re.sub(r"[^A-Za-z0-9._-]+", "-", text)[:_LONGEST].strip("-.")
    return slug or "source"
