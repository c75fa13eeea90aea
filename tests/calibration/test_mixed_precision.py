"""The fewest layers in floating point."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsrfer.calibration.mixed_precision import search_mix
from fsrfer.calibration.sensitivity import LayerSensitivity
from fsrfer.core.errors import CheckFailedError
from fsrfer.core.fidelity import FidelityReport, compare_band
from fsrfer.core.roles import Role

FACES = 1000
LABELS = np.zeros(FACES, np.int64)
LAYERS = ("a", "b", "c", "d", "e", "f", "g")


def ranking(*names: str) -> list[LayerSensitivity]:
    return [
        LayerSensitivity(name, Role.BACKBONE, 10 * (index + 1), {"12": 1.0 / (index + 1)})
        for index, name in enumerate(names)
    ]


def report_of(wrong: int) -> FidelityReport:
    """A model that gets so many of 1000 faces wrong, and a reference that gets all right."""
    right = np.tile(np.float32([5, 0]), (FACES, 1))
    candidate = right.copy()
    candidate[:wrong] = candidate[:wrong, ::-1]
    return FidelityReport("FP32", "mix", "faces", (compare_band(12, LABELS, ("x", "y"), right, candidate),))


def judging(costs: dict[str, int]):
    """Each layer in INT8 costs so many faces."""
    return lambda kept: report_of(sum(cost for name, cost in costs.items() if name not in kept))


def test_nothing_is_kept_where_nothing_is_needed():
    found = search_mix(ranking(*LAYERS), judging({"a": 1}), 0.003)
    assert found.kept_float == ()
    assert len(found.trials) == 1


def test_only_the_harmful_layers_are_kept():
    found = search_mix(ranking(*LAYERS), judging({"a": 30, "b": 20, "c": 1}), 0.003)
    assert found.kept_float == ("a", "b")
    assert found.fidelity.worst_drop[1].drop.value == pytest.approx(0.001)


def test_a_layer_that_only_looks_harmful_goes_back_to_int8():
    """The ranking says a, b, c; only c matters beside the others."""
    found = search_mix(ranking(*LAYERS), judging({"c": 50}), 0.0)
    assert found.kept_float == ("c",)


def test_every_trial_is_written_down():
    found = search_mix(ranking(*LAYERS), judging({"g": 50}), 0.0)
    assert found.kept_float == ("g",)
    assert not found.trials[0].within
    assert len({trial.kept_float for trial in found.trials}) == len(found.trials)


def test_a_bound_that_cannot_be_met_is_refused():
    with pytest.raises(CheckFailedError, match="no mix of layers"):
        search_mix(ranking(*LAYERS), lambda kept: report_of(10), 0.003)


def test_without_faces_nothing_is_judged():
    empty = compare_band(12, LABELS[:0], ("x", "y"), np.zeros((0, 2), np.float32), np.zeros((0, 2), np.float32))
    with pytest.raises(CheckFailedError, match="no data"):
        search_mix(ranking("a"), lambda kept: FidelityReport("FP32", "mix", "none", (empty,)), 0.003)


@given(
    costs=st.dictionaries(st.sampled_from(LAYERS), st.integers(0, 40)),
    order=st.permutations(LAYERS),
    bound=st.integers(0, 20),
)
def test_the_mix_is_within_the_bound_and_no_layer_too_many(costs, order, bound):
    judge = judging(costs)
    found = search_mix(ranking(*order), judge, bound / FACES)
    assert found.fidelity.worst_drop[1].drop.value <= bound / FACES + 1e-12
    for name in found.kept_float:
        rest = frozenset(found.kept_float) - {name}
        assert judge(rest).worst_drop[1].drop.value > bound / FACES or len(found.kept_float) == 1
