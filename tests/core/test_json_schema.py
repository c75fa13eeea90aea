"""Schemas of dataclasses."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import pytest

from fsrfer.core.json_schema import schema_of
from fsrfer.core.schema import to_mapping


class Color(str, Enum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True)
class Inner:
    """What is inside; see :class:`Outer`.

    Attributes:
        value: A number that is
            explained on two lines, as ``float``.
    """

    value: float


@dataclass(frozen=True)
class Outer:
    """What is outside."""

    inner: tuple[Inner, ...]
    pair: tuple[int, int]
    color: Color
    names: dict[str, bool]
    maybe: Inner | None
    version: int = 3


GOOD = to_mapping(Outer((Inner(1.5),), (1, 2), Color.BLUE, {"a": True}, None))


@pytest.fixture(scope="module")
def schema():
    return schema_of("Outer", "A document.", (Outer,), {"version": 3})


@pytest.fixture(scope="module")
def validator(schema):
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_what_is_written_is_valid(validator):
    validator.validate(GOOD)
    validator.validate({**GOOD, "maybe": {"value": 2}})


@pytest.mark.parametrize(
    "change",
    [
        {"inner": [{"value": "much"}]},
        {"inner": [{"value": 1.0, "more": 2}]},
        {"pair": [1]},
        {"color": "green"},
        {"names": {"a": 1}},
        {"maybe": 3},
        {"version": 4},
        {"unknown": 0},
    ],
)
def test_anything_else_is_not(validator, change):
    assert not validator.is_valid({**GOOD, **change})


def test_nothing_may_be_left_out(validator):
    for name in GOOD:
        assert not validator.is_valid({key: value for key, value in GOOD.items() if key != name})


def test_meanings_come_from_the_docstrings(schema):
    inner = schema["$defs"]["Inner"]
    assert inner["description"] == "What is inside; see Outer."
    assert inner["properties"]["value"]["description"] == "A number that is explained on two lines, as float."
