"""Faces made unrecognisable in pictures that are kept."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt

from ..results import FrameResult

_CELLS = 4  # a face is averaged over as many cells along either side: nothing finer is left of it
_MARGIN = 0.2  # of the box on either side, for hair and chin
_LINGER_S = 0.5
_MOST_LINGERING = 64


class FaceBlur:
    """Replaces the faces of frames by blurs of a few colours, and what is where they were moments ago.

    A face that the detector loses for a frame does not flash up. One that it never found stays as it is.
    """

    def __init__(self) -> None:
        self._lately: dict[str, deque[tuple[float, npt.NDArray[np.float32]]]] = {}

    def blurred(self, result: FrameResult) -> FrameResult:
        """Return a result on a copy of its frame without faces.

        Args:
            result: Frames of one source come in order.
        """
        frame = result.frame
        boxes = result.boxes if frame.is_still else np.concatenate(self._boxes_lately(result))
        image = frame.image.copy()
        blur_boxes(image, boxes)
        return replace(result, frame=replace(frame, image=image))

    def _boxes_lately(self, result: FrameResult) -> list[npt.NDArray[np.float32]]:
        now_s = result.frame.time_s
        lately = self._lately.setdefault(result.frame.source, deque(maxlen=_MOST_LINGERING))
        lately.append((now_s, result.boxes))
        while not 0 <= now_s - lately[0][0] <= _LINGER_S:
            lately.popleft()
        return [boxes for _, boxes in lately]


def blur_boxes(image: npt.NDArray[np.uint8], boxes: npt.NDArray[np.float32]) -> None:
    """Blur what is in and closely around boxes, in place.

    Args:
        image: uint8 (height, width, 3).
        boxes: float32 (N, 4), x0, y0, x1, y1 in pixels. Where a box is not finite, nobody knows what is in it: all of
            the image is blurred.
    """
    height, width = image.shape[:2]
    if not np.isfinite(boxes).all():
        boxes = np.array([[0, 0, width, height]], np.float32)
    margins = _MARGIN * (boxes[:, 2:] - boxes[:, :2])
    outer = np.concatenate([np.floor(boxes[:, :2] - margins), np.ceil(boxes[:, 2:] + margins)], axis=1)
    for x0, y0, x1, y1 in np.clip(outer, 0, (width, height, width, height)).astype(int).tolist():
        if x1 > x0 and y1 > y0:
            _blur(image[y0:y1, x0:x1])


def _blur(patch: npt.NDArray[np.uint8]) -> None:
    rows, columns = patch.shape[:2]
    cells = cv2.resize(patch, (_CELLS, _CELLS), interpolation=cv2.INTER_AREA)
    blurred = cv2.resize(cells, (columns, rows), interpolation=cv2.INTER_LINEAR)
    mask = np.zeros((rows, columns), np.uint8)
    cv2.ellipse(mask, (columns // 2, rows // 2), (columns // 2, rows // 2), 0, 0, 360, 1, cv2.FILLED)
    cv2.copyTo(blurred, mask, patch)
