"""``fsrfer-profile schema``: what the files hold."""

from __future__ import annotations

from ..runtime.profiling.report_file import profile_schema
from .console import print_json


def schema() -> None:
    """Print the JSON Schema of the files that `model`, `layers` and `engine` write."""
    print_json(profile_schema())
