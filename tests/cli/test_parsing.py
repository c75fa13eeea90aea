"""Shared options."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsrfer.cli.parsing import parse_sizes
from fsrfer.core.errors import UsageError


@given(st.lists(st.integers(1, 1024), min_size=1, unique=True))
def test_sizes_are_read_in_order(sizes):
    assert parse_sizes(", ".join(map(str, sizes))) == tuple(sizes)


@pytest.mark.parametrize("text", ["", "a", "48,,12", "0", "1025", "-8", "12.5", "12,12"])
def test_what_is_no_list_of_sizes_is_refused_with_its_option(text):
    with pytest.raises(UsageError, match="--face-sizes cannot be read"):
        parse_sizes(text, option="--face-sizes")
