"""JSON Schema of what :func:`fsrfer.core.schema.to_mapping` makes of dataclasses: none has to be kept beside them.

What a field means is taken from the ``Attributes`` of its class, where it is written once.
"""

from __future__ import annotations

import re
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any, Union, get_args, get_origin, get_type_hints

_TYPES = {str: "string", int: "integer", float: "number", bool: "boolean", types.NoneType: "null"}
_FIELD = re.compile(r"^ {8}(\w+): (.*?)(?=^ {8}\w+: |\Z)", re.DOTALL | re.MULTILINE)


def schema_of(title: str, description: str, kinds: tuple[type, ...], constants: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of documents that are one of several dataclasses.

    Args:
        title: Its title.
        description: What the documents are.
        kinds: The dataclasses.
        constants: Values of fields that are always the same, by name.
    """
    definitions: dict[str, Any] = {}
    for kind in kinds:
        _define(kind, definitions, constants)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        "description": description,
        "anyOf": [_reference(kind) for kind in kinds],
        "$defs": dict(sorted(definitions.items())),
    }


def _define(kind: type, definitions: dict[str, Any], constants: Mapping[str, Any]) -> None:
    if kind.__name__ in definitions:
        return
    summary, meanings = _documentation(kind)
    hints = get_type_hints(kind)
    properties: dict[str, Any] = {}
    definitions[kind.__name__] = {
        "description": summary,
        "type": "object",
        "properties": properties,
        "required": [field.name for field in fields(kind)],
        "additionalProperties": False,
    }
    for field in fields(kind):
        name = field.name
        value = {"const": constants[name]} if name in constants else _type(hints[name], definitions, constants)
        properties[name] = {**value, "description": meanings[name]} if name in meanings else value


def _type(kind: Any, definitions: dict[str, Any], constants: Mapping[str, Any]) -> dict[str, Any]:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return {"anyOf": [_type(each, definitions, constants) for each in arguments]}
    if origin is tuple:
        items = {"type": "array", "items": _type(arguments[0], definitions, constants)}
        is_open = arguments[1:] == (...,)
        return items if is_open else {**items, "minItems": len(arguments), "maxItems": len(arguments)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _type(arguments[1], definitions, constants)}
    if is_dataclass(kind):
        _define(kind, definitions, constants)  # type: ignore[arg-type]
        return _reference(kind)
    if issubclass(kind, Enum):
        return {"enum": [member.value for member in kind]}
    return {"type": _TYPES[kind]}


def _reference(kind: Any) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{kind.__name__}"}


def _documentation(kind: type) -> tuple[str, dict[str, str]]:
    summary, _, attributes = (kind.__doc__ or "").partition("Attributes:\n")
    first = summary.strip().partition("\n\n")[0]
    return _plain(first), {name: _plain(text) for name, text in _FIELD.findall(attributes)}


def _plain(text: str) -> str:
    # Markup of docstrings is for people who read the code.
    return " ".join(re.sub(r":\w+:`~?([^`]*)`", r"\1", text).replace("``", "").split())
