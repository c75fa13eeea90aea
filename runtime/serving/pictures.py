"""Annotated pictures of the latest results, drawn and compressed only when somebody looks at them."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from enum import Enum

import cv2
import numpy as np
import numpy.typing as npt

from ...core.errors import InputSpecError
from ..results import FrameResult
from ..sinks import annotate
from ..sinks.drawing import enlargement_for
from ..sinks.face_blur import blur_boxes
from .hub import LatestResult, LiveHub

_JPEG_QUALITY = 80


class PictureSize(str, Enum):
    """How large a picture is sent."""

    SMALL = "small"
    """For one of many tiles: 480 columns."""

    LARGE = "large"
    """For looking closely: up to 1280 columns, small frames enlarged to about 960."""

    @property
    def widths(self) -> tuple[int, int]:
        """Fewest and most columns; a frame in between keeps its own."""
        return (480, 480) if self is PictureSize.SMALL else (960, 1280)


@dataclass(frozen=True)
class Picture:
    """A compressed picture.

    Attributes:
        jpeg: The file.
        sequence: Which result of its source it shows.
        made_s: When it was made, by the monotonic clock.
    """

    jpeg: bytes
    sequence: int
    made_s: float


def draw(latest: LatestResult, size: PictureSize, *, blur_faces: bool) -> npt.NDArray[np.uint8]:
    """Draw a result.

    Args:
        latest: The result.
        size: How large.
        blur_faces: Hide faces before anything else is done with the picture.

    Returns:
        uint8 (rows, columns, 3), RGB.
    """
    result = latest.result
    if blur_faces:
        hidden = result.frame.image.copy()
        blur_boxes(hidden, latest.hidden_boxes)
        result = replace(result, frame=replace(result.frame, image=hidden))
    least, most = size.widths
    result = _shrunk(result, most)
    rows = result.frame.height * enlargement_for(result.frame.width, least)
    return annotate(result, min_width=least)[:rows]  # without the legend: the page has its own


def compress(picture: npt.NDArray[np.uint8]) -> bytes:
    """Return a picture, uint8 (rows, columns, 3), RGB, as JPEG."""
    options = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
    done, jpeg = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), options)
    if not done:
        raise InputSpecError("the picture cannot be compressed", found=picture.shape)
    return jpeg.tobytes()


def _shrunk(result: FrameResult, width: int) -> FrameResult:
    """Return a result whose frame has at most so many columns: text is drawn afterwards, and stays readable."""
    frame = result.frame
    if frame.width <= width:
        return result
    size = width, max(round(frame.height * width / frame.width), 1)
    image = np.asarray(cv2.resize(frame.image, size, interpolation=cv2.INTER_AREA), np.uint8)
    detections = result.detections
    if detections is not None:
        scale = np.array([size[0] / frame.width, size[1] / frame.height] * 2, np.float32)
        detections = replace(detections, boxes=detections.boxes * scale)
    return replace(result, frame=replace(frame, image=image), detections=detections)


class PictureMaker:
    """Makes each picture once, however many look at it; used by one event loop.

    Args:
        hub: Where the results are.
        max_fps: Most pictures a second of each source and size; who asks more often gets the one before.
        executor: Threads that draw.
    """

    def __init__(self, hub: LiveHub, max_fps: float, executor: Executor) -> None:
        self._hub = hub
        self._interval_s = 1.0 / max_fps
        self._executor = executor
        self._made: dict[tuple[str, PictureSize], Picture] = {}
        self._being_made: dict[tuple[str, PictureSize], asyncio.Task[Picture]] = {}

    async def latest(self, source: str, size: PictureSize) -> Picture | None:
        """Return the latest picture of a source; None where there is none.

        Args:
            source: Its name.
            size: How large.
        """
        latest = self._hub.latest(source)
        key = (source, size)
        if latest is None:
            return None
        made = self._made.get(key)
        if made is not None and (made.sequence == latest.sequence or time.monotonic() - made.made_s < self._interval_s):
            return made
        task = self._being_made.get(key)
        if task is None:
            task = self._being_made[key] = asyncio.create_task(self._make(latest, key))
            task.add_done_callback(lambda _: self._being_made.pop(key))
        # A client that leaves must not take the picture away from the others.
        return await asyncio.shield(task)

    async def _make(self, latest: LatestResult, key: tuple[str, PictureSize]) -> Picture:
        started_s = time.monotonic()
        loop = asyncio.get_running_loop()
        jpeg = await loop.run_in_executor(self._executor, self._jpeg, latest, key[1])
        picture = Picture(jpeg, latest.sequence, started_s)
        kept = {key: made for key, made in self._made.items() if self._hub.latest(key[0]) is not None}
        self._made = {**kept, key: picture}
        return picture

    def _jpeg(self, latest: LatestResult, size: PictureSize) -> bytes:
        return compress(draw(latest, size, blur_faces=self._hub.blur_faces))
