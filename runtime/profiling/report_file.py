"""Reading profiles back."""

from __future__ import annotations

import json
from pathlib import Path

from ...core.errors import UsageError
from ...core.schema import from_mapping
from .report import SCHEMA_VERSION, ProfileReport

_FIX = "fsrfer-profile BUNDLE --json FILE"


def read_profile(path: Path) -> ProfileReport:
    """Read what ``fsrfer-profile model --json`` wrote.

    Raises:
        UsageError: The file is absent, something else, or of another version.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as problem:
        raise UsageError(f"{path} is no profile", found=str(problem), fix=_FIX) from problem
    version = value.get("schema_version") if isinstance(value, dict) else None
    if version != SCHEMA_VERSION:
        raise UsageError(
            f"{path} is no profile that can be read here",
            expected=f"schema_version {SCHEMA_VERSION}",
            found=f"schema_version {version}",
            fix=f"measure again: {_FIX}",
        )
    return from_mapping(ProfileReport, value, where=str(path), error=UsageError)
