"""Errors that a user can mend."""

from __future__ import annotations

import inspect
import pickle

import pytest

from fsrfer.core import errors
from fsrfer.core.errors import CheckFailedError, FsrferError, MissingDependencyError, ParityError, UsageError

ALL = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, FsrferError)]


def test_the_text_says_what_was_expected_what_was_found_and_what_to_do():
    error = FsrferError("no labels", expected="two", found=0, fix="add some")
    assert str(error) == "no labels; expected two; found 0. Next: add some"
    assert (error.message, error.expected, error.found, error.fix) == ("no labels", "two", 0, "add some")


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ({}, "broken"),
        ({"expected": 0}, "broken; expected 0"),
        ({"found": ""}, "broken; found "),
        ({"fix": "mend it"}, "broken. Next: mend it"),
    ],
)
def test_parts_that_were_not_given_are_not_mentioned(parts, text):
    assert str(FsrferError("broken", **parts)) == text


@pytest.mark.parametrize("kind", ALL)
def test_every_error_carries_an_exit_code_and_is_drawn_in_the_tree(kind):
    expected = 2 if kind is UsageError else 3 if issubclass(kind, CheckFailedError) else 1
    assert kind.exit_code == expected
    assert kind.__name__ in errors.__doc__
    assert isinstance(kind("text"), FsrferError)


def test_parity_is_a_check():
    assert issubclass(ParityError, CheckFailedError)


def test_a_missing_package_names_the_extra_that_brings_it():
    error = MissingDependencyError.for_extra("onnx", "export", "writing a graph")
    assert "pip install 'fsrfer[export]'" in str(error)
    assert "writing a graph needs the package onnx" in str(error)


def test_errors_cross_process_boundaries():
    copy = pickle.loads(pickle.dumps(FsrferError("broken", expected=1, found=2, fix="mend")))
    assert str(copy) == "broken; expected 1; found 2. Next: mend"
