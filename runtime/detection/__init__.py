"""Face detection: RetinaFace and YuNet on a runner, decoded to boxes in the frame."""

from .detections import FaceDetections
from .detector import DetectorConfig, FaceDetector
from .opening import open_detector
from .weights import fetch_detector_weights, find_detector_weights

__all__ = [
    "DetectorConfig",
    "FaceDetections",
    "FaceDetector",
    "fetch_detector_weights",
    "find_detector_weights",
    "open_detector",
]
