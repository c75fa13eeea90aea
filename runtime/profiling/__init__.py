"""Measuring how long a bundle's graphs take on this machine."""

from typing import TYPE_CHECKING

from ...core.lazy_names import lazy_names

if TYPE_CHECKING:
    from .config import ProfileConfig
    from .report import ProfileReport
    from .rows import Combination, LatencyClock, ProfileRow
    from .statistics import LatencySummary, Stability
    from .sweep import profile_bundle
else:
    __getattr__ = lazy_names(
        __name__,
        {
            "Combination": "rows",
            "LatencyClock": "rows",
            "LatencySummary": "statistics",
            "ProfileConfig": "config",
            "ProfileReport": "report",
            "ProfileRow": "rows",
            "Stability": "statistics",
            "profile_bundle": "sweep",
        },
    )

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
