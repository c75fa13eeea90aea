"""Strict reading of plain mappings (JSON, TOML) into frozen dataclasses, and back.

An unknown key, a missing one or a value of the wrong type is an error that names its place: a misspelt option that
is silently ignored costs its user a night of training.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any, TypeVar

import dacite

from .errors import FsrferError

T = TypeVar("T")

_STRICT = dacite.Config(strict=True, cast=[Enum, tuple])


def from_mapping(kind: type[T], value: Mapping[str, Any], *, where: str, error: type[FsrferError]) -> T:
    """Build a frozen dataclass from a plain mapping.

    Args:
        kind: The dataclass; nested dataclasses, enums, tuples and optionals are followed.
        value: Keys and values as JSON or TOML gives them.
        where: What is being read (a path, say), for the message.
        error: Class of the error to raise.

    Raises:
        FsrferError: An ``error`` that names the key, for an unknown or missing key or a value of a wrong type.
    """
    try:
        return dacite.from_dict(kind, value, _STRICT)
    except (dacite.DaciteError, ValueError) as problem:
        raise error(f"{where} is malformed", found=str(problem), fix="correct that key") from problem


def to_mapping(value: Any) -> Any:
    """Turn dataclasses, enums and tuples into plain values for JSON or TOML: the inverse of :func:`from_mapping`."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_mapping(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {key: to_mapping(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_mapping(item) for item in value]
    return value
