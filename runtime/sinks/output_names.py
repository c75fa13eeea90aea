"""Names of output files where there is one a source."""

from __future__ import annotations

import re
from pathlib import Path

from ..sources.address import is_address


class OutputNames:
    """Derives a path for each source from one path that the user gave.

    Args:
        path: The path itself where there is a single source; otherwise the sources' names go before its suffix.
        is_single: Whether there is a single source.
    """

    def __init__(self, path: Path, *, is_single: bool) -> None:
        self._path = path
        self._is_single = is_single
        self._taken: set[str] = set()

    def path_for(self, source: str) -> Path:
        """Return a path that no other source of this run was given.

        Args:
            source: Name of the source.
        """
        if self._is_single:
            return self._path
        stem = f"{self._path.stem}-{_file_name_part(source)}"
        name, count = stem, 1
        while name in self._taken:
            count += 1
            name = f"{stem}-{count}"
        self._taken.add(name)
        return self._path.with_name(name + self._path.suffix)


def _file_name_part(source: str) -> str:
    text = source.partition("://")[2] if is_address(source) else Path(source).stem
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.") or "source"
