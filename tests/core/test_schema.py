"""Strict reading of plain mappings."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsrfer.core.errors import BundleError, InputSpecError, RecipeError
from fsrfer.core.schema import from_mapping, to_mapping


class Fruit(str, Enum):
    APPLE = "apple"
    PEAR = "pear"


@dataclass(frozen=True)
class Inner:
    count: int
    share: float = 0.5

    def __post_init__(self) -> None:
        if self.count < 0:
            raise InputSpecError("too few", expected="0 or more", found=self.count)


@dataclass(frozen=True)
class Outer:
    name: str
    inner: Inner
    fruit: Fruit = Fruit.APPLE
    on: bool = True
    numbers: tuple[int, ...] = ()
    pair: tuple[str, float] = ("a", 1.0)
    inners: tuple[Inner, ...] = ()
    table: dict[str, Inner] = field(default_factory=dict)
    either: int | str | None = None
    maybe: Inner | None = None
    names: list[str] = field(default_factory=list)
    anything: dict[str, Any] = field(default_factory=dict)
    derived: int = field(init=False, default=3)


def read(value: Any, error: type = BundleError) -> Outer:
    return from_mapping(Outer, value, where="file.json", error=error)


MINIMAL = {"name": "x", "inner": {"count": 1}}

_inners = st.builds(Inner, st.integers(0, 99), st.floats(allow_nan=False, allow_infinity=False))
_outers = st.builds(
    Outer,
    name=st.text(),
    inner=_inners,
    fruit=st.sampled_from(Fruit),
    on=st.booleans(),
    numbers=st.lists(st.integers()).map(tuple),
    pair=st.tuples(st.text(), st.floats(allow_nan=False, allow_infinity=False)),
    inners=st.lists(_inners, max_size=3).map(tuple),
    table=st.dictionaries(st.text(), _inners, max_size=3),
    either=st.none() | st.integers() | st.text(),
    maybe=st.none() | _inners,
    names=st.lists(st.text(), max_size=3),
    anything=st.dictionaries(st.text(), st.none() | st.integers() | st.lists(st.text()), max_size=3),
)


@given(_outers)
def test_what_is_written_as_json_comes_back_equal(value):
    mapping = to_mapping(value)
    mapping.pop("derived")
    assert read(json.loads(json.dumps(mapping))) == value


def test_defaults_fill_what_is_absent():
    assert read(MINIMAL) == Outer("x", Inner(1, 0.5))


def test_a_whole_number_will_do_for_a_number():
    share = read({**MINIMAL, "inner": {"count": 1, "share": 2}}).inner.share
    assert share == 2.0
    assert isinstance(share, float)


@pytest.mark.parametrize(
    ("change", "place", "expected"),
    [
        ({"nmae": 1}, "nmae", "one of name, inner"),
        ({"derived": 1}, "derived", "one of name, inner"),
        ({"name": 3}, "name", "text"),
        ({"name": None}, "name", "text"),
        ({"inner": 3}, "inner", "keys and values"),
        ({"inner": {}}, "inner.count", "a value"),
        ({"inner": {"count": "1"}}, "inner.count", "a whole number"),
        ({"inner": {"count": 1.0}}, "inner.count", "a whole number"),
        ({"inner": {"count": True}}, "inner.count", "a whole number"),
        ({"inner": {"count": 1, "share": "1"}}, "inner.share", "a number"),
        ({"inner": {"count": 1, "share": False}}, "inner.share", "a number"),
        ({"on": 1}, "on", "true or false"),
        ({"fruit": "plum"}, "fruit", "one of apple, pear"),
        ({"fruit": ["apple"]}, "fruit", "one of apple, pear"),
        ({"numbers": "12"}, "numbers", "a list"),
        ({"numbers": 12}, "numbers", "a list"),
        ({"numbers": {"a": 1}}, "numbers", "a list"),
        ({"numbers": [1, "2"]}, r"numbers\[1\]", "a whole number"),
        ({"pair": ["a"]}, "pair", "a list of 2"),
        ({"pair": ["a", "b"]}, r"pair\[1\]", "a number"),
        ({"inners": [{"count": 1}, {"counts": 1}]}, r"inners\[1\].counts", "one of count, share"),
        ({"table": {"k": {"count": "x"}}}, "table.k.count", "a whole number"),
        ({"table": [1]}, "table", "keys and values"),
        ({"either": 1.5}, "either", "a whole number or text or null"),
        ({"maybe": {"count": "x"}}, "maybe.count", "a whole number"),
        ({"names": "abc"}, "names", "a list"),
    ],
)
def test_what_is_wrong_is_named_by_its_place(change, place, expected):
    with pytest.raises(BundleError, match=rf"file.json is malformed at {place}; expected {expected}"):
        read({**MINIMAL, **change})


def test_a_missing_key_is_named():
    with pytest.raises(BundleError, match="malformed at name; expected a value; found no such key"):
        read({"inner": {"count": 1}})


@pytest.mark.parametrize("value", [None, 3, [], "text", {1: 2}])
def test_something_else_than_a_mapping_is_refused(value):
    with pytest.raises(BundleError, match=r"file\.json is malformed; expected keys and values"):
        read(value)


def test_what_the_dataclass_itself_refuses_is_told_with_its_place_and_as_the_error_that_was_asked_for():
    with pytest.raises(RecipeError, match="malformed at inner: too few; expected 0 or more; found -1"):
        read({**MINIMAL, "inner": {"count": -1}}, RecipeError)
