"""What a pipeline did so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .sources import SourceStatus
from .telemetry import HistogramSnapshot, Stage


@dataclass(frozen=True)
class PipelineReport:
    """What a pipeline did so far; may be asked for at any time, from any thread.

    Attributes:
        sources: What became of each source.
        frames: Frames whose results were given out.
        faces: Faces in them.
        elapsed_s: Time since the first frame was asked for.
        stuck_s: Time since the thread that makes the results last began a step, which it does at least twice a second
            where nothing holds it up; 0 before the first one.
        faces_by_source: Faces by name of the source.
        readings: Faces that the model read; fewer than ``faces`` where tracked faces keep their expression.
        stages: Time that frames spent in each stage, in seconds.
        result_age_s: Time from the capture of a live frame to its result, by name of the source.
        batch_faces: Faces in each run of the model.
        pending_frames: Frames that wait for their batch.
        detect_every: Detection runs on every so many frames of a source.
        sink_drops: Results that a sink which is too slow, or broken, did not get, by its name.
        invalid_readings: Faces for which the model gave no numbers (NaN); their expressions stand from before.
        lost_readings: Faces that were to be read by a model on another machine and were not, by reason
            (:class:`~fsrfer.runtime.remote.LossReason`); their expressions stand from before.
    """

    sources: tuple[SourceStatus, ...]
    frames: int
    faces: int
    elapsed_s: float
    stuck_s: float
    faces_by_source: Mapping[str, int]
    readings: int
    stages: Mapping[Stage, HistogramSnapshot]
    result_age_s: Mapping[str, HistogramSnapshot]
    batch_faces: HistogramSnapshot
    pending_frames: int
    detect_every: int
    sink_drops: Mapping[str, int]
    invalid_readings: int
    lost_readings: Mapping[str, int]

    @property
    def failed(self) -> tuple[SourceStatus, ...]:
        """The sources that failed."""
        return tuple(source for source in self.sources if source.error is not None)

    @property
    def dropped(self) -> int:
        """Frames of live sources that were captured and not handed out."""
        return sum(source.dropped for source in self.sources)
