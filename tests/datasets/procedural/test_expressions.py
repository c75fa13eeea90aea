"""Action units of drawn expressions."""

from __future__ import annotations

import numpy as np
import pytest

from fsrfer.core import CANONICAL_LABELS
from fsrfer.datasets.procedural import LABELS, ActionUnits
from fsrfer.datasets.procedural.expressions import PROTOTYPES, sample_action_units


def test_labels_are_canonical():
    assert set(LABELS) == set(PROTOTYPES) == set(CANONICAL_LABELS) - {"contempt"}


@pytest.mark.parametrize("label", LABELS)
def test_action_units_stay_in_range_and_vary(label):
    drawn = [sample_action_units(label, np.random.default_rng(seed)) for seed in range(30)]
    values = np.array([list(vars(units).values()) for units in drawn])
    assert values.min() >= 0.0
    assert values.max() <= 1.0
    assert (values.std(axis=0) > 0.01).all()


def test_neutral_is_no_action_unit_at_all():
    assert PROTOTYPES["neutral"] == ActionUnits()
    assert len(set(PROTOTYPES.values())) == len(LABELS)
