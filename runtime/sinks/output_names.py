"""Names of output files where there is one a source."""

from __future__ import annotations

from pathlib import Path

from .source_slugs import SourceSlugs


class OutputNames:
    """Derives a path for each source from one path that the user gave.

    Args:
        path: The path itself for a single source; otherwise the sources' names go before its suffix.
        is_single: Whether there is a single source at the beginning: the first one that asks has the path itself.
    """

    def __init__(self, path: Path, *, is_single: bool) -> None:
        self._path = path
        self._is_single = is_single
        self._first: str | None = None
        self._slugs = SourceSlugs()

    def has_the_path_itself(self, source: str) -> bool:
        """Tell whether a source's name does not go into its path."""
        self._first = self._first or source
        return self._is_single and source == self._first

    def path_for(self, source: str) -> Path:
        """Return the path of a source, which no other source of this run was given.

        Args:
            source: Name of the source.
        """
        if self.has_the_path_itself(source):
            return self._path
        return self._path.with_name(f"{self._path.stem}-{self._slugs.slug_of(source)}{self._path.suffix}")
