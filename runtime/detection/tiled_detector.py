"""Large frames, tile by tile."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

import numpy as np
import numpy.typing as npt

from .detections import FaceDetections, join
from .detector import DetectorConfig, FaceDetector
from .letterbox import size_of_frame
from .nms import suppress_overlaps
from .tiling import Tile, TilingConfig, tiles_of

Frame = npt.NDArray[np.uint8]


class TiledDetector:
    """Looks at overlapping tiles of a frame, and at the whole; see :class:`~fsrfer.runtime.detection.FaceDetector`.

    Tiles are pictures like any other to the detector: they grow towards its ``max_side``, and with its ``max_batch``
    they share runs of the graph.

    Args:
        detector: Looks at the tiles; entered and left with this one.
        tiling: How frames are cut.
    """

    def __init__(self, detector: FaceDetector, tiling: TilingConfig) -> None:
        self._detector = detector
        self._tiling = tiling

    @property
    def name(self) -> str:
        """Name of the detector that looks at the tiles."""
        return self._detector.name

    @property
    def score_threshold(self) -> float:
        """Least score of what it reports."""
        return self._detector.score_threshold

    @property
    def config(self) -> DetectorConfig:
        """What counts as a face, and how hard it looks at a tile."""
        return self._detector.config

    @property
    def tiling(self) -> TilingConfig:
        """How frames are cut."""
        return self._tiling

    def with_config(self, config: DetectorConfig) -> TiledDetector:
        """Return this detector with another configuration and the same tiles."""
        return TiledDetector(self._detector.with_config(config), self._tiling)

    def for_thread(self) -> TiledDetector:
        """Return this detector for another thread."""
        return TiledDetector(self._detector.for_thread(), self._tiling)

    def detect(self, frame: Frame) -> FaceDetections:
        """Find the faces of a frame."""
        return self.detect_batch([frame])[0]

    def detect_batch(self, frames: Sequence[Frame]) -> list[FaceDetections]:
        """Find the faces of several frames; all their tiles go to the detector at once."""
        plans = [self._views(frame) for frame in frames]
        pictures = [tile.cut_from(frame) for frame, plan in zip(frames, plans, strict=True) for tile in plan]
        found = iter(self._detector.detect_batch(pictures))
        return [merge_tiles([(tile, next(found)) for tile in plan], self.config.nms_iou) for plan in plans]

    def __enter__(self) -> TiledDetector:
        self._detector.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._detector.__exit__(kind, error, trace)

    def _views(self, frame: Frame) -> list[Tile]:
        size = size_of_frame(frame)
        tiles = tiles_of(size, self._tiling)
        if not self._tiling.whole_frame or len(tiles) == 1:  # a single tile is the whole frame
            return tiles
        return [Tile(size, 0, 0, *size), *tiles]


def merge_tiles(found: Sequence[tuple[Tile, FaceDetections]], max_iou: float) -> FaceDetections:
    """Join the faces of overlapping tiles, each face once and whole.

    Boxes that an inner edge of a tile may have cut are dropped: such a face lies whole in a neighbouring tile or, when
    it is larger than the overlap, in the whole frame. Of those that are left, the best stays as everywhere.

    Args:
        found: Tiles, and the faces in each, in pixels of the tile.
        max_iou: Intersection over union that two faces may have at most.

    Returns:
        Faces in pixels of the frame, best score first.
    """
    placed = [(tile, faces.shifted(tile.left, tile.top)) for tile, faces in found]
    whole = join([faces.select(~tile.cuts(faces.boxes)) for tile, faces in placed])
    return whole.select(suppress_overlaps(whole.boxes, whole.scores, max_iou))
