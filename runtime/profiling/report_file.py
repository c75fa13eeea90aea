"""Reading profiles back, and the schema of their files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ...core.errors import UsageError
from ...core.json_schema import schema_of
from ...core.schema import from_mapping
from .engine_report import EngineProfile
from .report import SCHEMA_VERSION, LayerProfile, ProfileReport

READABLE_VERSIONS = (2, SCHEMA_VERSION)
"""What version 3 added has a value for files that lack it."""

_SHAPES = {
    "capacity": {"capacity", "config"},
    "scenario": {"configs", "results"},
    "pipeline": {"profile", "warmup_seconds"},
    "engine": {"engine_sha256", "rows"},
}
"""Keys of what commands write; a profile of graphs is known by none of them."""


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
    return from_mapping(ProfileReport, _read(path, "model"), where=str(path), error=UsageError)


def read_engine_profile(path: Path) -> EngineProfile:
    """Read what ``fsrfer-profile engine --json`` wrote.

    Raises:
        UsageError: The file is absent, something else, or of another version.
    """
    return from_mapping(EngineProfile, _read(path, "engine"), where=str(path), error=UsageError)


def _read(path: Path, wanted: str) -> dict[str, Any]:
    fix = f"fsrfer-profile {wanted} BUNDLE --json FILE"
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as problem:
        raise UsageError(f"{path} is no profile", found=str(problem), fix=fix) from problem
    mapping: dict[str, Any] = value if isinstance(value, dict) else {}
    command = _command_of(mapping)
    if command not in (wanted, None):
        raise UsageError(
            f"{path} is another profile than is read here",
            expected=f"a file of `fsrfer-profile {wanted}`",
            found=f"a file of `fsrfer-profile {command}`",
            fix=fix,
        )
    version = mapping.get("schema_version")
    if version not in READABLE_VERSIONS:
        raise UsageError(
            f"{path} is no profile that can be read here",
            expected=f"schema_version {' or '.join(map(str, READABLE_VERSIONS))}",
            found=f"schema_version {version}",
            fix=f"measure again: {fix}",
        )
    return mapping


def _command_of(value: dict[str, Any]) -> str | None:
    """Tell which command wrote a file; None where none did that is known by its keys."""
    if {"layers", "graphs"} <= value.keys() and "rows" not in value:
        return "layers"
    return next((command for command, keys in _SHAPES.items() if keys <= value.keys()), None)
