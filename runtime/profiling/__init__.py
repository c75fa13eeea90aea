"""Measuring how long a bundle's graphs take on this machine."""

from .report import ProfileReport
from .rows import Combination, LatencyClock, ProfileRow
from .statistics import LatencySummary, Stability
from .sweep import ProfileConfig, profile_bundle

__all__ = [
    "Combination",
    "LatencyClock",
    "LatencySummary",
    "ProfileConfig",
    "ProfileReport",
    "ProfileRow",
    "Stability",
    "profile_bundle",
]
