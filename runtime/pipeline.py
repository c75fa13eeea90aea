"""From sources to results: read, detect, crop, batch, classify."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..core.crop import crop_faces
from ..core.errors import UsageError
from .batching import FaceBatcher, PendingFrame
from .classifier import ExpressionClassifier
from .detection import FaceDetector
from .frame import Frame
from .pipeline_report import PipelineReport
from .recorded_boxes import RecordedBoxes
from .results import FrameResult
from .sinks import ResultSink
from .sources import FrameCollector, FrameSource
from .telemetry import BATCH_BOUNDS, Histogram, StageTimes


@dataclass(frozen=True)
class PipelineOptions:
    """Limits of a pipeline.

    Attributes:
        max_wait_s: Longest time that a live frame waits for the faces of other live sources.
        max_pending_frames: Most frames that wait for their batch to fill.
        queue_frames: Frames of each recording that are decoded ahead.
        max_frames: Frames of each source after which it ends; None for no limit.
    """

    max_wait_s: float = 0.02
    max_pending_frames: int = 16
    queue_frames: int = 4
    max_frames: int | None = None

    def __post_init__(self) -> None:
        if self.max_wait_s < 0 or self.max_pending_frames < 1:
            raise UsageError(
                "impossible pipeline options",
                expected="max_wait_s of 0 or more, max_pending_frames of 1 or more",
                found=f"{self.max_wait_s}, {self.max_pending_frames}",
            )


class StreamPipeline:
    """Classifies the faces of every frame of its sources.

    ::

        specs = parse_sources(["rtsp://camera.local/stream", "0"])
        with open_bundle(Path("model.bundle")) as classifier, open_detector("retinaface") as detector:
            pipeline = StreamPipeline([open_source(spec) for spec in specs], classifier, detector)
            for result in pipeline.results():
                names = [result.predictions.label_of(face) for face in range(len(result))]
                print(result.frame.source, result.frame.time_s, names)
        for source in pipeline.report().failed:
            print(source.name, source.error)

    Results of one source come in the order of its frames. A pipeline runs once.

    Args:
        sources: What to read.
        classifier: Entered by the caller.
        detector: Finds the faces, entered by the caller, or knows them; None where every frame is one ready-made face
            crop.
        options: Limits.

    Raises:
        UsageError: There is no source, or a limit is impossible.
    """

    def __init__(
        self,
        sources: Sequence[FrameSource],
        classifier: ExpressionClassifier,
        detector: FaceDetector | RecordedBoxes | None,
        options: PipelineOptions | None = None,
    ) -> None:
        options = options or PipelineOptions()
        self._collector = FrameCollector(sources, queue_frames=options.queue_frames, max_frames=options.max_frames)
        self._batcher = FaceBatcher(classifier, max_wait_s=options.max_wait_s, max_frames=options.max_pending_frames)
        self._crop_margin = classifier.manifest.preprocess.crop_margin
        self._detector = detector
        self._frames = 0
        self._faces_by_source: Counter[str] = Counter()
        self._stages = StageTimes()
        self._batch_faces = Histogram(BATCH_BOUNDS)
        self._started_s: float | None = None
        self._ended_s: float | None = None

    def stop(self) -> None:
        """End after the frames in hand; may be called from a signal handler and from any thread."""
        self._collector.stop()

    def report(self) -> PipelineReport:
        """Return what the pipeline did so far."""
        ended_s = time.monotonic() if self._ended_s is None else self._ended_s
        elapsed_s = 0.0 if self._started_s is None else ended_s - self._started_s
        faces = dict(self._faces_by_source)
        return PipelineReport(
            sources=self._collector.statuses(),
            frames=self._frames,
            faces=sum(faces.values()),
            elapsed_s=elapsed_s,
            faces_by_source=faces,
            readings=sum(faces.values()),
            stages=self._stages.snapshot(),
            result_age_s={},
            batch_faces=self._batch_faces.snapshot(),
            pending_frames=0,
            detect_every=1,
            sink_drops={},
            invalid_readings=0,
        )

    def run(self, sinks: Sequence[ResultSink]) -> PipelineReport:
        """Write all results to sinks, which the caller has entered.

        Args:
            sinks: Each gets every result.
        """
        for result in self.results():
            for sink in sinks:
                sink.write(result)
        return self.report()

    def results(self) -> Iterator[FrameResult]:
        """Read the sources to their end, or until :meth:`stop`, and give the result of every frame.

        Raises:
            FsrferError: Detection or classification failed. A source that fails does not raise; see :meth:`report`.
        """
        self._started_s = time.monotonic()
        try:
            with self._collector:
                while not self._collector.is_exhausted:
                    yield from self._step()
                yield from self._flush()
        finally:
            self._ended_s = time.monotonic()

    def _step(self) -> Iterator[FrameResult]:
        patience_s = self._batcher.patience_s(time.monotonic(), self._collector.live_sources)
        frame = None if patience_s == 0.0 else self._collector.take(patience_s)
        if frame is None:
            yield from self._flush()
        else:
            self._batcher.add(self._detect(frame), time.monotonic())

    def _flush(self) -> Iterator[FrameResult]:
        for result in self._batcher.flush():
            self._frames += 1
            self._faces_by_source[result.frame.source] += len(result)
            yield result

    def _detect(self, frame: Frame) -> PendingFrame:
        if self._detector is None:
            return PendingFrame(frame, None, [frame.image])
        if isinstance(self._detector, RecordedBoxes):
            detections = self._detector.boxes_of(frame)
        else:
            detections = self._detector.detect(frame.image)
        return PendingFrame(frame, detections, crop_faces(frame.image, detections.boxes, self._crop_margin))
