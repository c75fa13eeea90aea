"""Names that a package offers, and whose modules are imported when they are first used."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy_names(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """Return a ``__getattr__`` for a package (PEP 562).

    Whoever imports one module of the package would otherwise load all that the package offers.

    Args:
        package: The package's ``__name__``.
        homes: Name of the module of the package, by the name that it defines. A module and what it defines must not
            have the same name: importing the module would hide the other.
    """

    def find(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(f".{homes[name]}", package), name)
        setattr(sys.modules[package], name, value)
        return value

    return find
