"""What files and pipes have in common: no connection that could be lost and made again."""

from __future__ import annotations

from collections.abc import Mapping

from .counters import SourceCounters
from .settings import SourceSettings


class UnconnectedSource:
    """A source whose end is its end.

    Args:
        name: How to speak of it; holds no credentials.
        settings: How to read it.
    """

    def __init__(self, name: str, settings: SourceSettings | None) -> None:
        self._name = name
        self._settings = settings or SourceSettings()
        self._counters = SourceCounters(name)

    @property
    def name(self) -> str:
        """How to speak of the source."""
        return self._name

    @property
    def reconnects(self) -> int:
        """Always 0: what ended does not come back."""
        return 0

    @property
    def counters(self) -> Mapping[str, int]:
        """What was left out; see :class:`~fsrfer.runtime.sources.counters.SourceCounters`."""
        return self._counters.as_mapping()
