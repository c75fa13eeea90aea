"""Parts of data sets and label orders."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fsrfer.core.errors import DatasetError
from fsrfer.core.labels import FERPLUS_LABELS, RAFDB_LABELS
from fsrfer.datasets import InMemoryFaces, Subset, balanced_indices, with_labels


def faces(labels, names=FERPLUS_LABELS, soft=None):
    rng = np.random.default_rng(0)
    return InMemoryFaces(
        name="mine",
        split="test",
        labels=tuple(names),
        images=rng.integers(0, 256, (len(labels), 4, 4), dtype=np.uint8),
        label_indices=np.array(labels, np.int64),
        sample_ids=[f"face-{number}" for number in range(len(labels))],
        soft_labels=soft,
    )


@given(st.lists(st.integers(0, 6), min_size=1, max_size=20))
def test_a_subset_is_its_positions(indices):
    soft = np.eye(8, dtype=np.float32)[:7]
    whole = faces(range(7), soft=soft)
    part = Subset(whole, indices)
    assert len(part) == len(indices)
    np.testing.assert_array_equal(part.label_indices, indices)
    np.testing.assert_array_equal(part.soft_labels, soft[indices])
    assert [sample.sample_id for sample in part] == [f"face-{index}" for index in indices]
    assert (part.name, part.split, part.labels) == (whole.name, whole.split, whole.labels)


def test_different_parts_have_different_identities():
    whole = faces(range(7))
    parts = [Subset(whole, np.array(indices)) for indices in ([0, 1], [1, 0], [0, 2], [0])]
    assert len({whole.dataset_id, *(part.dataset_id for part in parts)}) == 5
    assert parts[0].dataset_id == Subset(faces(range(7)), [0, 1]).dataset_id


@pytest.mark.parametrize("indices", [[], [7], [-1]])
def test_impossible_parts_are_refused(indices):
    with pytest.raises(DatasetError, match="impossible part"):
        Subset(faces(range(7)), indices)


@given(hnp.arrays(np.int64, st.integers(0, 60), elements=st.integers(0, 4)), st.integers(1, 10), st.integers(0, 2**32))
def test_balanced_indices_take_as_many_of_each_class_as_there_are(labels, per_class, seed):
    chosen = balanced_indices(labels, per_class, seed)
    assert chosen.dtype == np.int64
    assert (np.diff(chosen) > 0).all()
    np.testing.assert_array_equal(balanced_indices(labels, per_class, seed), chosen)
    for label, count in zip(*np.unique(labels, return_counts=True), strict=True):
        assert (labels[chosen] == label).sum() == min(count, per_class)


def test_the_choice_depends_on_the_seed_alone_and_not_on_the_first_faces():
    labels = np.zeros(1000, np.int64)
    one, two = (balanced_indices(labels, 50, seed) for seed in (1, 2))
    assert set(one) != set(two)
    assert 350 < one.mean() < 650


@given(st.permutations(FERPLUS_LABELS), st.lists(st.integers(0, 7), min_size=1, max_size=10))
def test_an_order_of_the_same_expressions_keeps_every_meaning(order, labels):
    soft = np.random.default_rng(0).dirichlet(np.ones(8), len(labels)).astype(np.float32)
    source = faces(labels, soft=soft)
    moved = with_labels(source, order)
    assert moved.labels == tuple(order)
    for before, after, index in zip(source, moved, moved.label_indices, strict=True):
        assert source.labels[before.label] == moved.labels[after.label] == moved.labels[index]
        np.testing.assert_array_equal(before.image, after.image)
        for position, name in enumerate(source.labels):
            assert after.soft_label[order.index(name)] == pytest.approx(before.soft_label[position], abs=1e-6)


def test_the_order_of_the_data_set_changes_nothing():
    source = faces([0, 1])
    assert with_labels(source, list(FERPLUS_LABELS)) is source
    assert with_labels(source, FERPLUS_LABELS[::-1]).dataset_id != source.dataset_id


def test_a_model_may_know_more_expressions_than_the_data():
    moved = with_labels(faces([0, 6], RAFDB_LABELS), FERPLUS_LABELS)
    assert [moved.labels[index] for index in moved.label_indices] == ["surprise", "neutral"]


def test_an_expression_without_a_place_is_an_error_or_dropped():
    contempt = FERPLUS_LABELS.index("contempt")
    source = faces([0, contempt, 1])
    with pytest.raises(DatasetError, match="no place for the expressions contempt"):
        with_labels(source, RAFDB_LABELS)
    moved = with_labels(source, RAFDB_LABELS, drop_missing=True)
    assert [sample.sample_id for sample in moved] == ["face-0", "face-2"]
    assert [moved.labels[index] for index in moved.label_indices] == ["neutral", "happiness"]


def test_an_expression_that_no_face_has_needs_no_place():
    assert len(with_labels(faces([0, 1]), RAFDB_LABELS)) == 2


def test_votes_without_a_place_are_shared_out():
    soft = np.zeros((2, 8), np.float32)
    soft[0, [0, 1, 7]] = 0.5, 0.25, 0.25
    soft[1, 7] = 1.0  # labelled otherwise than its votes say
    moved = with_labels(faces([0, 1], soft=soft), RAFDB_LABELS)
    neutral, happiness = RAFDB_LABELS.index("neutral"), RAFDB_LABELS.index("happiness")
    np.testing.assert_allclose(moved[0].soft_label[[neutral, happiness]], [2 / 3, 1 / 3], rtol=1e-6)
    np.testing.assert_allclose(moved[1].soft_label[happiness], 1.0)
    np.testing.assert_allclose(moved.soft_labels.sum(axis=1), 1, rtol=1e-6)


def test_nothing_left_after_dropping_is_an_error():
    with pytest.raises(DatasetError, match="impossible part"):
        with_labels(faces([7]), RAFDB_LABELS, drop_missing=True)
