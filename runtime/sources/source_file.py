"""A TOML file of sources: forty cameras, each with its name and its settings."""

from __future__ import annotations

import os
import re
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ...core.errors import SourceError
from ...core.schema import from_mapping
from .address import is_address
from .settings import SourceSettings
from .specification import SourceSpec, parse_source, refuse_shared_pipe

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_VARIABLE = re.compile(r"\$\{([^}]*)\}?")


@dataclass(frozen=True)
class _Tables:
    source: list[dict[str, Any]]
    defaults: dict[str, Any] = field(default_factory=dict)


def is_source_file(text: str) -> bool:
    """Tell whether a source's text names a file of sources, by its suffix."""
    return not is_address(text) and Path(text).suffix.lower() == ".toml"


def read_source_file(path: Path) -> tuple[SourceSpec, ...]:
    """Read a file of sources.

    ``[defaults]`` holds settings for all sources, ``[[source]]`` the ``name`` and ``address`` of one and settings of
    its own; their keys are those of :class:`SourceSettings`. In an address, ``${NAME}`` stands for a variable of the
    environment, so that the file need not hold passwords. Paths are relative to the file.

    Args:
        path: The file.

    Returns:
        The sources in their order.

    Raises:
        SourceError: The file is missing or is not TOML, a key is unknown or missing, a value is impossible, a name
            comes twice, a variable is not set, or an address cannot be understood.
    """
    tables = from_mapping(_Tables, _read_toml(path), where=str(path), error=SourceError)
    from_mapping(SourceSettings, tables.defaults, where=f"[defaults] of {path}", error=SourceError)
    if not tables.source:
        raise SourceError(f"{path} names no source", expected="a table [[source]] for each", found="none")
    specs = tuple(
        _read_source(table, tables.defaults, path, number) for number, table in enumerate(tables.source, start=1)
    )
    counts = Counter(spec.name for spec in specs)
    repeated = [name for name, count in counts.items() if count > 1]
    if repeated:
        raise SourceError(f"{path} has several sources of one name", expected="a name for each", found=repeated[0])
    refuse_shared_pipe(specs)
    return specs


def _read_toml(path: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8"))
    except OSError as problem:
        raise SourceError(f"cannot read the file of sources {path}", found=problem.strerror) from problem
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as problem:
        raise SourceError(f"{path} is not TOML", found=str(problem)) from problem


def _read_source(table: Mapping[str, Any], defaults: Mapping[str, Any], path: Path, number: int) -> SourceSpec:
    own = dict(table)
    name = own.pop("name", None)
    if not isinstance(name, str) or not name.strip() or not name.isprintable():
        raise SourceError(f"[[source]] number {number} of {path} has no name", expected='name = "entrance"')
    where = f"[[source]] {name!r} of {path}"
    address = own.pop("address", None)
    if not isinstance(address, str) or not address:  # what there is instead may hold a password
        raise SourceError(f"{where} has no address", expected='address = "rtsp://camera.local/stream"')
    settings = from_mapping(SourceSettings, {**defaults, **own}, where=where, error=SourceError)
    try:
        spec = parse_source(_filled_in(address), folder=path.parent)
    except SourceError as problem:
        raise SourceError(
            f"{where}: {problem.message}", expected=problem.expected, found=problem.found, fix=problem.fix
        ) from None
    return replace(spec, name=name, settings=settings)


def _filled_in(address: str) -> str:
    """Put variables of the environment into an address.

    As user, password or query their value is written with percent signs: it may hold any character.
    """
    scheme_end = address.find("://")
    login_end = address.rfind("@", 0, address.find("?") if "?" in address else None) if scheme_end >= 0 else -1
    query_begin = address.find("?") if scheme_end >= 0 else -1

    def value_of(found: re.Match[str]) -> str:
        value = _variable(found)
        is_quoted = found.start() < login_end or 0 <= query_begin < found.start()
        return quote(value, safe="") if is_quoted else value

    return _VARIABLE.sub(value_of, address)


def _variable(found: re.Match[str]) -> str:
    name = found.group(1)
    if not name or not found.group().endswith("}"):
        raise SourceError("a variable in the address is malformed", expected="${NAME}")
    value = os.environ.get(name)
    if not value:
        raise SourceError(
            f"the address wants the variable {name}",
            found="no such variable" if value is None else "an empty one",
            fix=f"set {name} in the environment of the program",
        )
    return value
