"""From sources to results: read, detect, follow, crop, batch, classify, smooth."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from ..core.errors import UsageError
from .batching import FaceBatcher, PendingFrame
from .classifier import ExpressionClassifier
from .detection import FaceDetections, FaceDetector
from .face_search import FaceSearch
from .frame import Frame
from .groups import GroupAggregator, GroupConfig, GroupWindow
from .pipeline_report import PipelineReport
from .recorded_boxes import RecordedBoxes
from .results import FrameResult
from .scene import FollowOptions
from .scenes import Scenes
from .search_lanes import SearchedFrame, SearchLanes
from .sinks import QueuedSink, ResultSink, WindowSink
from .sources import FrameCollector, FrameSource
from .telemetry import BATCH_BOUNDS, Histogram, SpanListener, Stage, StageTimes

_TICK_S = 0.5


@dataclass(frozen=True)
class PipelineOptions:
    """Limits and ways of a pipeline.

    Attributes:
        max_wait_s: Longest time that a live frame waits for the faces of other live sources.
        max_pending_frames: Most frames that wait for their batch to fill.
        queue_frames: Frames of each recording that are decoded ahead.
        max_frames: Frames of each source after which it ends; None for no limit.
        max_staleness_s: Age beyond which a live frame is dropped when its turn comes; None for no limit.
        detect_every: Frames of a source from one detection to the next; None adapts it to the load of live sources.
        detect_batch: Most frames in one run of the detector, of those that are ready at the same time.
        detect_lanes: Threads that search frames for faces at the same time; 1 still searches the next frame while the
            faces of the last one are read.
        follow: How people are followed; None follows nobody, and every face of every frame is read by itself.
        groups: How groups are summed up; None does not.
    """

    max_wait_s: float = 0.02
    max_pending_frames: int = 16
    queue_frames: int = 4
    max_frames: int | None = None
    max_staleness_s: float | None = None
    detect_every: int | None = 1
    detect_batch: int = 1
    detect_lanes: int = 1
    follow: FollowOptions | None = field(default_factory=FollowOptions)
    groups: GroupConfig | None = None

    def __post_init__(self) -> None:
        if self.max_wait_s < 0 or min(self.max_pending_frames, self.detect_batch, self.detect_lanes) < 1:
            raise UsageError(
                "impossible pipeline options",
                expected="max_wait_s of 0 or more, max_pending_frames, detect_batch and detect_lanes of 1 or more",
                found=f"{self.max_wait_s}, {self.max_pending_frames}, {self.detect_batch}, {self.detect_lanes}",
            )
        if self.follow is None and self.detect_every != 1:
            raise UsageError(
                "faces can stay where they were only where they are followed",
                expected="detection on every frame",
                found=f"detection on every {self.detect_every or 'so many'} frames",
                fix="follow the faces, or detect on every frame",
            )


class StreamPipeline:
    """Classifies the faces of its sources, frame by frame.

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
        options: Limits and ways.
        listener: Learns when each frame was in which stage, for profiles and traces.

    Raises:
        UsageError: There is no source, or an option is impossible.
    """

    def __init__(
        self,
        sources: Sequence[FrameSource],
        classifier: ExpressionClassifier,
        detector: FaceDetector | RecordedBoxes | None,
        options: PipelineOptions | None = None,
        listener: SpanListener | None = None,
    ) -> None:
        options = options or PipelineOptions()
        self._collector = FrameCollector(
            sources,
            queue_frames=options.queue_frames,
            max_frames=options.max_frames,
            max_staleness_s=options.max_staleness_s,
        )
        self._batcher = FaceBatcher(classifier, max_wait_s=options.max_wait_s, max_frames=options.max_pending_frames)
        self._stages = StageTimes(listener)
        follow = None if options.follow is None else options.follow.beginning_with(detector)
        self._search = None
        if detector is not None:
            low_score = None if follow is None else follow.tracker.low_score
            self._search = FaceSearch(
                detector, options.detect_every, self._stages, options.detect_lanes, low_score=low_score
            )
        self._lanes = SearchLanes(
            self._collector, self._search, self._stages, lanes=options.detect_lanes, most=options.detect_batch
        )
        self._scenes = Scenes(classifier, follow, self._stages)
        self._groups = None if options.groups is None else GroupAggregator(options.groups)
        self._closed_windows: list[GroupWindow] = []
        self._batch_faces = Histogram(BATCH_BOUNDS)
        self._result_age: dict[str, Histogram] = {}
        self._frames = 0
        self._readings = 0
        self._faces_by_source: Counter[str] = Counter()
        self._queued_sinks: tuple[QueuedSink, ...] = ()
        self._idle_s = 0.0
        self._next_tick_s = 0.0
        self._stepped_s: float | None = None
        self._started_s: float | None = None
        self._ended_s: float | None = None

    def stop(self) -> None:
        """End after the frames in hand; may be called from a signal handler and from any thread."""
        self._collector.stop()

    def add(self, source: FrameSource) -> None:
        """Read another source from now on; call it from the thread that takes the results, such as from ``tick``."""
        self._collector.add(source)

    def remove(self, name: str) -> None:
        """Read a source no longer, and forget its people; as for :meth:`add`."""
        self._collector.remove(name)
        self._lanes.forget(name)
        self._scenes.forget(name)
        if self._groups is not None:
            self._closed_windows += self._groups.close(name)

    def report(self) -> PipelineReport:
        """Return what the pipeline did so far; may be called from any thread."""
        ended_s = time.monotonic() if self._ended_s is None else self._ended_s
        faces = dict(self._faces_by_source)
        return PipelineReport(
            sources=self._collector.statuses(),
            frames=self._frames,
            faces=sum(faces.values()),
            elapsed_s=0.0 if self._started_s is None else ended_s - self._started_s,
            stuck_s=0.0 if self._stepped_s is None else max(ended_s - self._stepped_s, 0.0),
            faces_by_source=faces,
            readings=self._readings,
            stages=self._stages.snapshot(),
            result_age_s={name: ages.snapshot() for name, ages in list(self._result_age.items())},
            batch_faces=self._batch_faces.snapshot(),
            pending_frames=self._batcher.pending_frames,
            detect_every=1 if self._search is None else self._search.every,
            sink_drops={sink.name: sink.dropped for sink in self._queued_sinks},
            invalid_readings=self._scenes.invalid_readings,
            lost_readings=self._scenes.lost_readings,
        )

    def run(
        self,
        sinks: Sequence[ResultSink],
        *,
        window_sinks: Sequence[WindowSink] = (),
        tick: Callable[[], None] | None = None,
    ) -> PipelineReport:
        """Write all results to sinks, which the caller has entered.

        Args:
            sinks: Each gets every result.
            window_sinks: Each gets every window of the groups.
            tick: See :meth:`results`.
        """
        everyone = dict.fromkeys([*sinks, *window_sinks])  # a sink may take both
        self._queued_sinks = tuple(sink for sink in everyone if isinstance(sink, QueuedSink))
        for result in self.results(tick):
            with self._stages.measure(Stage.SINK, result.frame):
                for sink in sinks:
                    sink.write(result)
                if self._groups is not None:
                    self._closed_windows += self._groups.add(result)
                    self._write_windows(window_sinks)
        if self._groups is not None:
            self._closed_windows += self._groups.finish()
            self._write_windows(window_sinks)
        return self.report()

    def results(self, tick: Callable[[], None] | None = None) -> Iterator[FrameResult]:
        """Read the sources to their end, or until :meth:`stop`, and give the result of every frame.

        Args:
            tick: Called about twice a second, whether or not a frame comes, in the thread that takes the results.

        Raises:
            FsrferError: Detection or classification failed. A source that fails does not raise; see :meth:`report`.
        """
        self._started_s = time.monotonic()
        try:
            with self._collector, self._lanes:
                while not self._lanes.is_exhausted:
                    self._stepped_s = time.monotonic()
                    yield from self._step()
                    self._tick(tick)
                yield from self._flush()
        finally:
            self._ended_s = time.monotonic()

    def _write_windows(self, sinks: Sequence[WindowSink]) -> None:
        windows, self._closed_windows = self._closed_windows, []
        for window in windows:
            for sink in sinks:
                sink.write_window(window)

    def _step(self) -> Iterator[FrameResult]:
        patience_s = self._batcher.patience_s(time.monotonic(), self._collector.live_sources)
        frames = [] if patience_s == 0.0 else self._take(_TICK_S if patience_s is None else patience_s)
        if frames:
            for frame, detections in frames:
                self._batcher.add(self._prepared(frame, detections), time.monotonic())
        elif patience_s is not None:
            yield from self._flush()

    def _take(self, timeout_s: float) -> list[SearchedFrame]:
        started_s = time.perf_counter()
        frames = self._lanes.take(timeout_s)
        self._idle_s += time.perf_counter() - started_s
        return frames

    def _prepared(self, frame: Frame, detections: FaceDetections | None) -> PendingFrame:
        if self._search is None:
            return PendingFrame(frame, None, [frame.image])
        return self._scenes.prepare(frame, detections)

    def _flush(self) -> Iterator[FrameResult]:
        if self._batcher.pending_frames:
            started_s = time.monotonic()
            read = self._batcher.flush()
            ended_s = time.monotonic()
            faces = sum(len(readings) for _, readings in read)
            self._stages.record(Stage.CLASSIFY, started_s, ended_s, [pending.frame for pending, _ in read], faces)
            self._batch_faces.observe(faces)
            for pending, readings in read:
                self._stages.record(Stage.QUEUE, pending.prepared_s, started_s, (pending.frame,))
                result = self._scenes.result(pending, readings)
                self._count(result, len(readings) - int(readings.is_lost.sum()))
                yield result

    def _count(self, result: FrameResult, readings: int) -> None:
        source = result.frame.source
        self._frames += 1
        self._readings += readings
        self._faces_by_source[source] += len(result)
        if result.frame.is_live:
            self._result_age.setdefault(source, Histogram()).observe(max(time.time() - result.frame.time_s, 0.0))

    def _tick(self, tick: Callable[[], None] | None) -> None:
        now_s = time.monotonic()
        if now_s < self._next_tick_s:
            return
        self._next_tick_s = now_s + _TICK_S
        if self._search is not None and self._search.adapt(self._collector.statuses(), now_s, self._idle_s):
            self._idle_s = 0.0
        if tick is not None:
            tick()
