"""Answers without an end: moving pictures and events.

Both look for something new at a steady pace instead of being told: the pipeline then does nothing for its watchers,
and a slow client holds up nobody but itself.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import contextmanager

from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from .access import problem
from .events import EventFeed, EventKind
from .pictures import PictureMaker, PictureSize

BOUNDARY = "fsrfer-frame"
_DELIMITER = f"--{BOUNDARY}\r\n".encode()
_EVENT_POLL_S = 0.05
_KEEP_ALIVE_S = 10.0
_RETRY_MS = 2000


class StreamPlaces:
    """Places for the clients of streams, so that they stay few; used by one event loop.

    Args:
        count: Most clients at the same time.
    """

    def __init__(self, count: int) -> None:
        self._free = count

    def answer(self, parts: AsyncIterator[bytes], media_type: str) -> Response:
        """Return the answer that streams the parts, or one that says that there is no place.

        Args:
            parts: What to stream.
            media_type: What it is.
        """
        return _PlacedStream(self, parts, media_type)

    @contextmanager
    def take(self) -> Iterator[bool]:
        """Take a place while the block runs, if there is one."""
        has_place = self._free > 0
        self._free -= has_place
        try:
            yield has_place
        finally:
            self._free += has_place


class _PlacedStream(StreamingResponse):
    def __init__(self, places: StreamPlaces, parts: AsyncIterator[bytes], media_type: str) -> None:
        super().__init__(parts, media_type=media_type)
        self._places = places

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._places.take() as has_place:
            if has_place:
                await super().__call__(scope, receive, send)
            else:
                full = problem(503, "too many streams at the same time", headers={"Retry-After": "10"})
                await full(scope, receive, send)


async def motion_jpeg(
    maker: PictureMaker, source: str, size: PictureSize, *, max_fps: float, stop: threading.Event
) -> AsyncIterator[bytes]:
    """Give the parts of a ``multipart/x-mixed-replace`` body: a picture whenever there is a new one.

    The delimiter comes right behind each picture: browsers show a picture when they see it. A picture that stands
    still is repeated now and then, so that a client can tell it from a lost connection.

    Args:
        maker: Makes the pictures.
        source: Name of the source.
        size: How large.
        max_fps: Most pictures a second.
        stop: Ends the stream.
    """
    shown, sent_s = 0, time.monotonic()
    yield _DELIMITER
    while not stop.is_set():
        picture = await maker.latest(source, size)
        now_s = time.monotonic()
        if picture is not None and (picture.sequence != shown or now_s - sent_s > _KEEP_ALIVE_S):
            shown, sent_s = picture.sequence, now_s
            head = f"Content-Type: image/jpeg\r\nContent-Length: {len(picture.jpeg)}\r\n\r\n"
            yield head.encode() + picture.jpeg + b"\r\n" + _DELIMITER
        await asyncio.sleep(1 / max_fps)


async def server_sent_events(
    feed: EventFeed,
    *,
    after: int,
    kinds: Collection[EventKind],
    source: str | None,
    stop: threading.Event,
) -> AsyncIterator[bytes]:
    """Give events in the format of server-sent events (WHATWG HTML, section 9.2).

    A client that does not keep up gets an event ``lost`` that says how many it missed, of all kinds and sources.

    Args:
        feed: Where the events are.
        after: Number of the last event that the client knows.
        kinds: Which events to give.
        source: Name of the only source of which to give events; None for all.
        stop: Ends the stream.
    """
    sent_s = time.monotonic()
    with feed.watch():
        yield f"retry: {_RETRY_MS}\n\n".encode()
        while not stop.is_set():
            events, lost = feed.after(after)
            after = events[-1].number if events else after + lost
            if lost:
                yield _block(feed, after, "lost", json.dumps({"events": lost}))
            for event in events:
                if event.kind in kinds and source in (None, event.source):
                    yield _block(feed, event.number, event.kind.value, event.data)
                    sent_s = time.monotonic()
            if events:
                continue  # there may be more
            if time.monotonic() - sent_s > _KEEP_ALIVE_S:
                yield b": nothing new\n\n"
                sent_s = time.monotonic()
            await asyncio.sleep(_EVENT_POLL_S)


def last_event_number(feed: EventFeed, header: str | None) -> int:
    """Return after which event to go on.

    Args:
        feed: Where the events are.
        header: ``Last-Event-ID`` of a client that comes back; what is not from this run counts as none.
    """
    run, _, number = (header or "").partition("-")
    if run == feed.run_id and number.isascii() and number.isdecimal():
        return min(int(number), feed.newest)
    return feed.newest


def _block(feed: EventFeed, number: int, kind: str, data: str) -> bytes:
    return f"id: {feed.run_id}-{number}\nevent: {kind}\ndata: {data}\n\n".encode()
