"""Strict reading of plain mappings (JSON, TOML) into frozen dataclasses, and back.

An unknown key, a missing one or a value of the wrong type is an error that names its place: a misspelt option that
is silently ignored costs its user a night of training.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from .errors import FsrferError

T = TypeVar("T")

_PLAIN = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    types.NoneType: "null",
}


def from_mapping(kind: type[T], value: Mapping[str, Any], *, where: str, error: type[FsrferError]) -> T:
    """Build a frozen dataclass from a plain mapping.

    Args:
        kind: The dataclass. Its fields may be str, int, float, bool, None, Any, enums, dataclasses, and tuples, lists,
            dicts with str keys and unions of these. A whole number will do for a float, and nothing else is converted.
        value: Keys and values as JSON or TOML gives them.
        where: What is being read (a path, say), for the message.
        error: Class of the error to raise.

    Raises:
        FsrferError: An ``error`` that names the key, for an unknown or missing key or a value of a wrong type.
    """
    try:
        return cast(T, _read(kind, value, ""))
    except _MalformedError as problem:
        place = f" at {problem.place}" if problem.place else ""
        raise error(
            f"{where} is malformed{place}{problem.detail}",
            expected=problem.expected,
            found=problem.found,
            fix="correct that key",
        ) from problem


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


class _MalformedError(ValueError):
    def __init__(self, place: str, *, expected: object, found: object, detail: str = "") -> None:
        super().__init__(place)
        self.place = place
        self.expected = expected
        self.found = found
        self.detail = detail


def _read(kind: Any, value: Any, place: str) -> Any:
    origin = get_origin(kind)
    if kind is Any:
        return value
    if origin in (Union, types.UnionType):
        return _read_union(get_args(kind), value, place)
    if origin in (tuple, list):
        return _read_sequence(origin, get_args(kind), value, place)
    if origin is dict:
        return _read_dict(get_args(kind)[1], value, place)
    if is_dataclass(kind):
        return _read_dataclass(cast(type, kind), value, place)
    if issubclass(kind, Enum):
        return _read_enum(kind, value, place)
    return _read_plain(kind, value, place)


def _read_plain(kind: type, value: Any, place: str) -> Any:
    # bool is a subclass of int, but `epochs = true` is a slip.
    if type(value) is kind:
        return value
    if kind is float and type(value) is int:
        return float(value)
    raise _MalformedError(place, expected=_PLAIN[kind], found=repr(value))


def _read_enum(kind: type[Enum], value: Any, place: str) -> Enum:
    try:
        return kind(value)
    except ValueError as problem:
        names = ", ".join(str(member.value) for member in kind)
        raise _MalformedError(place, expected=f"one of {names}", found=repr(value)) from problem


def _read_union(kinds: tuple[Any, ...], value: Any, place: str) -> Any:
    problems = []
    for kind in kinds:
        outcome = _attempt(kind, value, place)
        if not isinstance(outcome, _MalformedError):
            return outcome
        problems.append(outcome)
    # The member whose problem lies deepest is the one that was meant.
    deepest = max(problems, key=lambda problem: len(problem.place))
    if deepest.place != place:
        raise deepest
    raise _MalformedError(place, expected=" or ".join(str(problem.expected) for problem in problems), found=repr(value))


def _attempt(kind: Any, value: Any, place: str) -> Any:
    try:
        return _read(kind, value, place)
    except _MalformedError as problem:
        return problem


def _read_sequence(origin: type, kinds: tuple[Any, ...], value: Any, place: str) -> Any:
    if not isinstance(value, list | tuple):
        raise _MalformedError(place, expected="a list", found=repr(value))
    open_ended = origin is list or kinds[1:] == (...,)
    if not open_ended and len(value) != len(kinds):
        raise _MalformedError(place, expected=f"a list of {len(kinds)}", found=repr(value))
    item_kinds = [kinds[0]] * len(value) if open_ended else kinds
    pairs = enumerate(zip(item_kinds, value, strict=True))
    items = [_read(kind, item, f"{place}[{index}]") for index, (kind, item) in pairs]
    return origin(items)


def _read_dict(kind: Any, value: Any, place: str) -> dict[str, Any]:
    _check_keys(value, place)
    return {key: _read(kind, item, _below(place, key)) for key, item in value.items()}


def _read_dataclass(kind: type, value: Any, place: str) -> Any:
    _check_keys(value, place)
    known: dict[str, Field[Any]] = {field.name: field for field in fields(kind) if field.init}
    unknown = [key for key in value if key not in known]
    if unknown:
        raise _MalformedError(_below(place, unknown[0]), expected=f"one of {', '.join(known)}", found="an unknown key")
    missing = [name for name, field in known.items() if name not in value and _is_required(field)]
    if missing:
        raise _MalformedError(_below(place, missing[0]), expected="a value", found="no such key")
    hints = get_type_hints(kind)
    arguments = {key: _read(hints[key], item, _below(place, key)) for key, item in value.items()}
    return _construct(kind, arguments, place)


def _construct(kind: Callable[..., Any], arguments: Mapping[str, Any], place: str) -> Any:
    try:
        return kind(**arguments)
    except FsrferError as problem:
        raise _MalformedError(
            place, expected=problem.expected, found=problem.found, detail=f": {problem.message}"
        ) from problem


def _check_keys(value: Any, place: str) -> None:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise _MalformedError(place, expected="keys and values", found=repr(value))


def _is_required(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _below(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key
