"""How far people agree: against votes whose agreement can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from fsrfer.datasets import open_dataset


@pytest.fixture(scope="module")
def agreement(benchmark_module):
    return benchmark_module("label_agreement")


def test_one_annotator_agrees_as_often_as_the_label_has_votes(agreement):
    votes = np.array([[0.7, 0.3], [0.4, 0.6]])
    assert agreement.one_annotator(votes, np.array([0, 1])) == pytest.approx(0.65)
    assert agreement.one_annotator(votes, np.array([0, 0])) == pytest.approx(0.55)


def test_a_panel_of_one_is_an_annotator_and_a_larger_one_agrees_more(agreement):
    votes, labels = np.tile([0.7, 0.3], (4000, 1)), np.zeros(4000, np.int64)
    panels = [agreement.another_panel(votes, labels, people=people, draws=5, seed=0) for people in (1, 10)]
    assert panels[0] == pytest.approx(0.7, abs=0.01)
    # 6 to 10 of ten votes decide for it, 5 do so by lot: 0.8497 + 0.1029 / 2.
    assert panels[1] == pytest.approx(0.9012, abs=0.01)


def test_votes_that_are_all_alike_are_always_repeated(agreement):
    assert agreement.another_panel(np.eye(3), np.arange(3), people=10, draws=2, seed=0) == 1.0


@pytest.mark.parametrize("rounding", [-1e-7, 0.0, 1e-7])
def test_faces_are_counted_in_one_band_each(agreement, rounding):
    largest = np.array([0.5, 0.6, 0.7, 0.9, 1.0]) + rounding
    votes = np.stack([largest, 1 - largest], axis=1)
    rows = agreement.by_agreement(votes, np.array([False, True, False, True, True]))
    assert [(row["up_to"], row["faces"], row["accuracy"]) for row in rows] == [
        (0.5, 1, 0.0),
        (0.7, 2, 0.5),
        (0.9, 1, 1.0),
        (1.0, 1, 1.0),
    ]
    assert [row["share_of_errors"] for row in rows] == [0.5, 0.5, 0.0, 0.0]


def test_labels_without_votes_are_refused_with_what_to_give(agreement):
    faces = open_dataset("procedural?count=16", "test")
    assert faces.soft_labels is None
    with pytest.raises(SystemExit, match=r"labels and no votes; FER\+ has both"):
        agreement.votes_of(faces)
