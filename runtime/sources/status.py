"""What became of a source so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from ...core.errors import SourceError


class DropReason(str, Enum):
    """Why a frame of a live source was not handed out."""

    REPLACED = "replaced"
    """A newer one came before anybody had time for it."""

    STALE = "stale"
    """It was older than what is worth reading."""


class SourceState(str, Enum):
    """How a source is."""

    OPENING = "opening"
    UP = "up"
    SILENT = "silent"
    """A live source that has shown nothing for some seconds; it is being opened again, or about to be."""

    ENDED = "ended"
    FAILED = "failed"


@dataclass(frozen=True)
class SourceStatus:
    """What became of a source so far.

    Attributes:
        name: Its name.
        state: How it is.
        is_live: It does not wait for its reader; None before its first frame.
        frames: Frames that were handed out.
        drops: Frames that were captured and not handed out, by reason.
        reconnects: How often its connection was lost and made again.
        error: Why it failed; None while it has not.
        seen_s: Unix time of its latest frame's arrival; None before.
        counters: What else it counts, such as ``skipped`` by its rate cap, ``damaged``, ``hung``; docs/sources.md
            describes them.
    """

    name: str
    state: SourceState
    is_live: bool | None
    frames: int
    drops: Mapping[DropReason, int]
    reconnects: int
    error: SourceError | None
    seen_s: float | None
    counters: Mapping[str, int] = field(default_factory=dict)

    @property
    def dropped(self) -> int:
        """Frames that were captured and not handed out."""
        return sum(self.drops.values())
