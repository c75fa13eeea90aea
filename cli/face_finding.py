"""The options of ``fsrfer-run`` that say where faces come from: a detector, recorded boxes, or ready-made crops."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from ..core.errors import UsageError
from ..core.options import Provider
from ..core.processor import read_processor
from ..runtime.detection import DetectorConfig, FaceDetector, TilingConfig, open_detector
from ..runtime.recorded_boxes import RecordedBoxes
from ..runtime.sources import SourceKind, SourceSpec

DEFAULT_DETECTOR = "retinaface"
_BOXES = "boxes:"
_WARM_UP_FRAME = (360, 640, 3)


@dataclass(frozen=True)
class FaceFinding:
    """What was asked for; None where nothing was.

    Attributes:
        detector: Name of a detector, or ``boxes:FILE``.
        min_face_px: Least side of a face's box in pixels.
        min_score: Least detection score.
        side: Longest side of the detector's input in pixels.
        tile: Side in pixels of the tiles that are searched besides the whole frame.
        provider: Execution provider of ONNX Runtime.
        batch: Most frames and tiles in one run.
    """

    detector: str | None = None
    min_face_px: float | None = None
    min_score: float | None = None
    side: int | None = None
    tile: int | None = None
    provider: Provider | None = None
    batch: int | None = None

    @property
    def config(self) -> DetectorConfig:
        """What was asked of the detector, and its defaults."""
        chosen = {
            "score_threshold": self.min_score,
            "min_face_px": self.min_face_px,
            "max_side": self.side,
            "max_batch": self.batch,
        }
        return DetectorConfig(**{key: value for key, value in chosen.items() if value is not None})  # type: ignore[arg-type]

    def open(self, stack: ExitStack, threads: int | None, lanes: int = 1) -> FaceDetector | RecordedBoxes:
        """Open the detector inside ``stack``, or read the recorded boxes.

        Args:
            stack: Closes the detector.
            threads: Threads of each of its runs; None shares the cores out among the lanes.
            lanes: Frames that are searched at the same time.

        Raises:
            UsageError: Options contradict each other.
        """
        name = self.detector or DEFAULT_DETECTOR
        if name.startswith(_BOXES):
            if self._chosen("detector"):
                raise UsageError("recorded boxes are taken as they are", found="an option of the detector")
            return RecordedBoxes(Path(name.removeprefix(_BOXES)))
        tiling = None
        if self.tile is not None:
            tiling = TilingConfig(self.tile, overlap=min(TilingConfig.overlap, self.tile // 2))
        if threads is None and lanes > 1:
            threads = max(_usable_cores() // lanes, 1)
        providers = (self.provider or Provider.CPU).names
        detector: FaceDetector = stack.enter_context(
            open_detector(name, self.config, tiling=tiling, threads=threads, providers=providers)
        )
        return detector

    def check_unused(self, specs: Sequence[SourceSpec]) -> None:
        """Check that ready-made crops can be read without any of this.

        Raises:
            UsageError: An option of the detector was given, or a source is no picture.
        """
        if self._chosen():
            raise UsageError(
                "--faces-only runs no detector", found="an option of the detector", fix="leave one of them out"
            )
        moving = [spec.name for spec in specs if spec.kind is not SourceKind.PICTURES]
        if moving:
            raise UsageError(
                "--faces-only reads face crops", expected="pictures or folders of them", found=", ".join(moving)
            )

    def _chosen(self, *besides: str) -> list[str]:
        names = [field.name for field in fields(self) if field.name not in besides]
        return [name for name in names if getattr(self, name) is not None]

    def describe(self, detector: FaceDetector | RecordedBoxes | None) -> str:
        """Return where the faces come from, for the summary at the start of a run.

        Args:
            detector: What :meth:`open` returned; None where every picture is one face.
        """
        if detector is None:
            return "none: every picture is one face"
        if isinstance(detector, RecordedBoxes):
            return f"none: {detector.name}"
        place = (self.provider or Provider.CPU).names[0]
        return f"{detector.name}, score from {detector.score_threshold:.2f}, on {place}"


def warm_up(detector: FaceDetector | RecordedBoxes | None, specs: Sequence[SourceSpec]) -> None:
    """Let a detector see one empty frame, where cameras would wait for what it does at its first one.

    Args:
        detector: Finds faces.
        specs: The sources; a recording waits anyway.
    """
    if detector is None or isinstance(detector, RecordedBoxes):
        return
    if any(spec.kind not in (SourceKind.PICTURES, SourceKind.VIDEO) for spec in specs):
        detector.detect(np.zeros(_WARM_UP_FRAME, np.uint8))


def lanes_for(sources: int, wanted: int | None) -> int:
    """Return how many frames are searched at the same time.

    Several lanes with a thread each search more frames a second than one with several threads; but a single source
    has its result sooner in one.

    Args:
        sources: Number of sources.
        wanted: What was asked for; None for one a core, at most one a source.
    """
    return wanted or max(min(_usable_cores(), sources), 1)


def _usable_cores() -> int:
    return max(int(read_processor().usable_cores), 1)
