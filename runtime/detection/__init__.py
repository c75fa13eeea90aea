"""Face detection: RetinaFace, YuNet and SCRFD on a runner, decoded to boxes in the frame."""

from .detections import FaceDetections
from .detector import DetectorConfig, FaceDetector
from .opening import open_detector
from .tiled_detector import TiledDetector
from .tiling import TilingConfig
from .weights import fetch_detector_weights, find_detector_weights
from .yunet_weights import fetch_yunet_weights, find_yunet_weights

__all__ = [
    "DetectorConfig",
    "FaceDetections",
    "FaceDetector",
    "TiledDetector",
    "TilingConfig",
    "fetch_detector_weights",
    "fetch_yunet_weights",
    "find_detector_weights",
    "find_yunet_weights",
    "open_detector",
]
