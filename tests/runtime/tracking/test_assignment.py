"""Choosing pairs."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fsrfer.runtime.tracking.assignment import assign


@st.composite
def scored_pairs(draw):
    pairs = draw(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), unique=True, max_size=12))
    scores = draw(st.lists(st.sampled_from([0.5, 1.0, 2.0, 3.0]), min_size=len(pairs), max_size=len(pairs)))
    rows, columns = (np.array([pair[part] for pair in pairs], np.intp) for part in (0, 1))
    return rows, columns, np.array(scores, np.float64)


def total_of_best(rows, columns, scores) -> float:
    """Greatest total by trying all sets of pairs."""
    best = 0.0
    for count in range(min(len(rows), 5) + 1):
        for pairs in itertools.combinations(range(len(rows)), count):
            chosen = list(pairs)
            if len(set(rows[chosen])) == count == len(set(columns[chosen])):
                best = max(best, float(scores[chosen].sum()))
    return best


@settings(deadline=None)
@given(scored_pairs())
def test_pairs_are_possible_exclusive_and_none_is_left_over(drawn):
    rows, columns, scores = drawn
    chosen_rows, chosen_columns = assign(rows, columns, scores)
    possible = set(zip(rows.tolist(), columns.tolist(), strict=True))
    chosen = set(zip(chosen_rows.tolist(), chosen_columns.tolist(), strict=True))
    assert chosen <= possible
    assert len(set(chosen_rows)) == len(chosen_rows) == len(set(chosen_columns))
    assert all(row in chosen_rows or column in chosen_columns for row, column in possible)


@settings(deadline=None)
@given(scored_pairs())
def test_the_total_is_at_least_half_of_the_greatest(drawn):
    score_of = {(row, column): score for row, column, score in zip(*(part.tolist() for part in drawn), strict=True)}
    total = sum(score_of[pair] for pair in zip(*(part.tolist() for part in assign(*drawn)), strict=True))
    assert total >= total_of_best(*drawn) / 2


def test_the_best_pair_comes_first_and_of_equal_ones_the_first():
    rows, columns = np.array([0, 0, 1, 2], np.intp), np.array([0, 1, 0, 2], np.intp)
    chosen = assign(rows, columns, np.array([1.0, 3.0, 3.0, 1.0]))
    assert [part.tolist() for part in chosen] == [[0, 1, 2], [1, 0, 2]]


def test_nothing_to_choose_from():
    empty = np.zeros(0, np.intp)
    rows, columns = assign(empty, empty, np.zeros(0))
    assert (rows.shape, columns.shape, rows.dtype) == ((0,), (0,), np.intp)
