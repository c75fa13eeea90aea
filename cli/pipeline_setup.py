"""What a profile of a pipeline says about what ran."""

from __future__ import annotations

from ..core.options import Precision
from ..runtime.classifier import ExpressionClassifier
from ..runtime.detection import DetectorConfig, FaceDetector
from ..runtime.pipeline import PipelineOptions
from ..runtime.profiling.pipeline_setup import PipelineSetup
from ..runtime.recorded_boxes import RecordedBoxes
from .face_finding import FaceFinding, describe_faces
from .model_choice import ModelChoice


def setup_of(
    model: ModelChoice,
    classifier: ExpressionClassifier,
    finding: FaceFinding,
    faces: FaceDetector | RecordedBoxes,
    options: PipelineOptions,
    detect_lanes: int | None,
) -> PipelineSetup:
    """Describe what runs.

    Args:
        model: The model as it was asked for.
        classifier: The same, open.
        finding: The detector as it was asked for.
        faces: The same, open.
        options: Options of the pipeline.
        detect_lanes: Frames that are searched at the same time; None where it depends on the number of sources.
    """
    is_searched = not isinstance(faces, RecordedBoxes)
    calibration = classifier.manifest.calibration or {}
    calibrated_on = calibration.get("calibrated_on", {}) if model.precision is Precision.INT8 else {}
    return PipelineSetup(
        bundle=classifier.manifest.name,
        graph=model.graph,
        precision=model.precision,
        place=model.place,
        model_sha256=classifier.model_sha256,
        calibration_sha256=calibrated_on.get("sha256"),
        threads=model.threads,
        max_batch=classifier.max_batch,
        detector=describe_faces(faces),
        detector_side=(finding.side or DetectorConfig().max_side) if is_searched else None,
        tile=finding.tile,
        detect_every=options.detect_every if is_searched else None,
        detect_lanes=detect_lanes,
        follows=options.follow is not None,
        max_staleness_s=options.max_staleness_s,
    )
