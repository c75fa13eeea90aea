"""What ran while a pipeline was measured, so that it can be run again."""

from __future__ import annotations

from dataclasses import dataclass

from ...core.options import Precision


@dataclass(frozen=True)
class PipelineSetup:
    """A pipeline's model, its detector, and how both are run.

    Attributes:
        bundle: Name of the model.
        graph: What of it runs.
        precision: Number format that was asked for.
        place: Execution provider, library or servers that run it.
        model_sha256: Hash of the graph or engine; None where nobody knows.
        calibration_sha256: Hash of the faces that the ranges of INT8 were measured on; None for other formats.
        threads: Threads of each network; None for one a core.
        max_batch: Most faces in one run of the model.
        detector: Where faces come from.
        detector_side: Longest side of the detector's input in pixels; None where no detector runs.
        min_face_px: Least side of a face's box in pixels; None where no detector runs.
        tile: Side in pixels of the tiles that are searched besides; None for none.
        detect_every: Frames of a source from one detection to the next; None adapts.
        detect_lanes: Frames that are searched at the same time; None for one a core, at most one a source.
        follows: Faces are followed from frame to frame.
        max_staleness_s: Age at which a frame is dropped; None for never.
    """

    bundle: str
    graph: str
    precision: Precision
    place: str
    model_sha256: str | None
    calibration_sha256: str | None
    threads: int | None
    max_batch: int
    detector: str
    detector_side: int | None
    min_face_px: float | None
    tile: int | None
    detect_every: int | None
    detect_lanes: int | None
    follows: bool
    max_staleness_s: float | None
