"""Names of output files where there is one a source."""

from __future__ import annotations

from pathlib import Path

from .source_slugs import SourceSlugs


class OutputNames:
    """Derives a path for each source from one path that the user gave.

    Args:
        path: The path itself where there is a single source; otherwise the sources' names go before its suffix.
        is_single: Whether there is a single source.
    """

    def __init__(self, path: Path, *, is_single: bool) -> None:
        self._path = path
        self._is_single = is_single
        self._slugs = SourceSlugs()

    def path_for(self, source: str) -> Path:
        """Return the path of a source, which no other source of this run was given.

        Args:
            source: Name of the source.
        """
        if self._is_single:
            return self._path
        return self._path.with_name(f"{self._path.stem}-{self._slugs.slug_of(source)}{self._path.suffix}")
