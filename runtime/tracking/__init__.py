"""Who is who from frame to frame, which faces to read again, and what they show over time."""

from .association import AssociationConfig
from .best_shot import BestShot, BestShots
from .motion import MotionConfig
from .quality import crop_quality, sharpness
from .reading import ReadingConfig, ReadingPolicy
from .smoothing import ExpressionSmoother, SmoothingConfig
from .tracked_faces import TrackedFaces
from .tracker import FaceTracker, TrackerConfig

__all__ = [
    "AssociationConfig",
    "BestShot",
    "BestShots",
    "ExpressionSmoother",
    "FaceTracker",
    "MotionConfig",
    "ReadingConfig",
    "ReadingPolicy",
    "SmoothingConfig",
    "TrackedFaces",
    "TrackerConfig",
    "crop_quality",
    "sharpness",
]
