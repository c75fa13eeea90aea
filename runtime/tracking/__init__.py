"""Who is who from frame to frame, which faces to read again, and what they show over time."""

from .motion import BoxMotion, MotionConfig
from .tracked_faces import TrackedFaces

__all__ = ["BoxMotion", "MotionConfig", "TrackedFaces"]
