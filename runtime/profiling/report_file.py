"""Reading profiles back, and the schema of their files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ...core.errors import UsageError
from ...core.json_schema import schema_of
from ...core.schema import from_mapping
from .engine_profile import EngineProfile
from .report import SCHEMA_VERSION, LayerProfile, ProfileReport

_FIX = "fsrfer-profile BUNDLE --json FILE"


def profile_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of what ``model``, ``layers`` and ``engine`` write with ``--json``."""
    description = (
        "What `fsrfer-profile` writes with --json: `model` a ProfileReport, `layers` a LayerProfile, `engine` an "
        "EngineProfile. A field that is added, removed or changes its meaning raises schema_version."
    )
    kinds = (ProfileReport, LayerProfile, EngineProfile)
    return schema_of("Profile of fsrfer-profile", description, kinds, {"schema_version": SCHEMA_VERSION})


def read_profile(path: Path) -> ProfileReport:
    """Read what ``fsrfer-profile model --json`` wrote.

    Raises:
        UsageError: The file is absent, something else, or of another version.
    """
    return from_mapping(ProfileReport, _read(path), where=str(path), error=UsageError)


def read_engine_profile(path: Path) -> EngineProfile:
    """Read what ``fsrfer-profile engine --json`` wrote.

    Raises:
        UsageError: The file is absent, something else, or of another version.
    """
    return from_mapping(EngineProfile, _read(path), where=str(path), error=UsageError)


def _read(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as problem:
        raise UsageError(f"{path} is no profile", found=str(problem), fix=_FIX) from problem
    version = value.get("schema_version") if isinstance(value, dict) else None
    if not isinstance(value, dict) or version != SCHEMA_VERSION:
        raise UsageError(
            f"{path} is no profile that can be read here",
            expected=f"schema_version {SCHEMA_VERSION}",
            found=f"schema_version {version}",
            fix=f"measure again: {_FIX}",
        )
    return value
