"""What a profile of a pipeline says about what ran."""

from __future__ import annotations

from ..core.options import Precision
from ..runtime.classifier import ExpressionClassifier
from ..runtime.detection import FaceDetector
from ..runtime.pipeline import PipelineOptions
from ..runtime.profiling.pipeline_setup import PipelineSetup
from ..runtime.recorded_boxes import RecordedBoxes
from .face_finding import FaceFinding
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
    config = None if isinstance(faces, RecordedBoxes) else finding.config
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
        detector=finding.describe(faces),
        detector_side=None if config is None else config.max_side,
        min_face_px=None if config is None else config.min_face_px,
        tile=finding.tile,
        detect_every=None if config is None else options.detect_every,
        detect_lanes=detect_lanes,
        follows=options.follow is not None,
        max_staleness_s=options.max_staleness_s,
    )
