"""Expression names and label orders."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsrfer.core.errors import DatasetError
from fsrfer.core.labels import (
    AFFECTNET_LABELS,
    CANONICAL_LABELS,
    FER2013_LABELS,
    FERPLUS_LABELS,
    RAFDB_LABELS,
    SYNONYMS,
    canonical_label,
    index_mapping,
)

ORDERS = (CANONICAL_LABELS, FER2013_LABELS, FERPLUS_LABELS, RAFDB_LABELS, AFFECTNET_LABELS)


@pytest.mark.parametrize("order", ORDERS)
def test_every_order_consists_of_different_canonical_names(order):
    assert len(set(order)) == len(order)
    assert set(order) <= set(CANONICAL_LABELS)


def test_orders_as_their_publishers_number_them():
    assert [RAFDB_LABELS.index(name) + 1 for name in ("surprise", "disgust", "happiness", "neutral")] == [1, 3, 4, 7]
    assert [FER2013_LABELS.index(name) for name in ("anger", "fear", "happiness", "neutral")] == [0, 2, 3, 6]
    assert [AFFECTNET_LABELS.index(name) for name in ("neutral", "happiness", "fear", "contempt")] == [0, 1, 4, 7]
    assert [FERPLUS_LABELS.index(name) for name in ("neutral", "happiness", "fear", "contempt")] == [0, 1, 6, 7]


@pytest.mark.parametrize("name", [*CANONICAL_LABELS, *SYNONYMS])
def test_names_are_recognised_in_any_case(name):
    expected = SYNONYMS.get(name, name)
    assert canonical_label(name) == canonical_label(f" {name.upper()}\n") == expected
    assert expected in CANONICAL_LABELS


@pytest.mark.parametrize("name", ["", "bored", "happi ness", "3"])
def test_other_names_are_refused(name):
    with pytest.raises(DatasetError, match="unknown expression") as caught:
        canonical_label(name)
    assert "happiness" in str(caught.value)


@given(st.permutations(CANONICAL_LABELS), st.lists(st.sampled_from(CANONICAL_LABELS), unique=True))
def test_a_mapping_leads_to_the_same_expression(target, source):
    mapping = index_mapping(source, target)
    assert [target[place] for place in mapping] == source


def test_a_name_without_a_place_is_an_error():
    with pytest.raises(DatasetError, match="no place for the expressions contempt"):
        index_mapping(FERPLUS_LABELS, RAFDB_LABELS)
    assert len(index_mapping(RAFDB_LABELS, FERPLUS_LABELS)) == 7
