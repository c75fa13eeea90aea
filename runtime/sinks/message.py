"""What is sent over a network: records as messages, by what they are about."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from ..groups import GroupWindow
from ..results import FrameResult
from .records import frame_record, window_record
from .track_events import TrackEvents


class Content(str, Enum):
    """What a message is about."""

    FACES = "faces"
    """All faces of one frame."""

    GROUP = "group"
    """What the faces of a source showed together in a window of time."""

    TRACKS = "tracks"
    """Somebody came, changed the expression, or went."""


@dataclass(frozen=True)
class Message:
    """One record on its way.

    Attributes:
        source: Name of the source that it is about.
        content: What it is about.
        payload: The record as JSON, ASCII.
    """

    source: str
    content: Content
    payload: bytes = field(repr=False)


class MessageWriter:
    """Turns results into messages.

    Args:
        contents: What is wanted; the rest is left out.
    """

    def __init__(self, contents: frozenset[Content] = frozenset(Content)) -> None:
        self._contents = contents
        self._tracks = TrackEvents()

    def of_result(self, result: FrameResult) -> Iterator[Message]:
        """Give the messages about one frame: its faces first, then who came, changed and went."""
        if not self._contents & {Content.FACES, Content.TRACKS}:
            return
        record = frame_record(result)
        if Content.FACES in self._contents:
            yield _message(Content.FACES, record)
        if Content.TRACKS in self._contents:
            for event in self._tracks.follow(result, record["faces"]):
                yield _message(Content.TRACKS, event)

    def of_window(self, window: GroupWindow) -> Iterator[Message]:
        """Give the message about one window of time."""
        if Content.GROUP in self._contents:
            yield _message(Content.GROUP, window_record(window))

    def at_end(self) -> Iterator[Message]:
        """Give the messages about those who were there when the run ended."""
        for event in self._tracks.finish():
            yield _message(Content.TRACKS, event)


def _message(content: Content, record: dict[str, Any]) -> Message:
    payload = json.dumps(record, allow_nan=False, separators=(",", ":")).encode("ascii")
    return Message(record["source"], content, payload)
