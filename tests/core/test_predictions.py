"""What the classifier says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fsrfer.core import ExpressionPredictions
from fsrfer.core.errors import InputSpecError
from fsrfer.core.predictions import softmax

LABELS = ("neutral", "happiness", "surprise")


def arrays():
    return {
        "probabilities": np.array([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]], np.float32),
        "label_index": np.array([0, 2], np.int64),
        "face_size_px": np.array([12.0, 30.5], np.float32),
        "abstained": np.array([True, False]),
    }


def test_names_and_confidences():
    predictions = ExpressionPredictions(LABELS, **arrays())
    assert len(predictions) == 2
    np.testing.assert_allclose(predictions.confidence, [0.5, 0.8])
    assert predictions.confidence.dtype == np.float32
    assert [predictions.label_of(index) for index in range(2)] == ["unknown", "surprise"]


def test_no_face_is_fine():
    empty = {name: array[:0] for name, array in arrays().items()}
    predictions = ExpressionPredictions(LABELS, **empty)
    assert len(predictions) == 0
    assert predictions.confidence.shape == (0,)


@pytest.mark.parametrize("name", ["probabilities", "face_size_px", "abstained"])
def test_arrays_of_other_lengths_are_refused(name):
    wrong = arrays()
    wrong[name] = wrong[name][:1]
    with pytest.raises(InputSpecError, match=f"predictions have the wrong {name}"):
        ExpressionPredictions(LABELS, **wrong)


@pytest.mark.parametrize("name", list(arrays()))
def test_arrays_of_other_types_are_refused(name):
    wrong = arrays()
    wrong[name] = wrong[name].astype(np.float64)
    with pytest.raises(InputSpecError, match=f"predictions have the wrong {name}"):
        ExpressionPredictions(LABELS, **wrong)


def test_there_is_one_probability_a_label():
    with pytest.raises(InputSpecError, match="probabilities"):
        ExpressionPredictions(LABELS[:2], **arrays())


@given(
    hnp.arrays(
        np.float32,
        hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=6),
        elements=st.floats(-(2.0**99), 2.0**99, width=32),
    )
)
def test_softmax_is_a_distribution_whatever_the_logits(logits):
    result = softmax(logits)
    assert result.dtype == np.float32
    assert (result >= 0).all()
    np.testing.assert_allclose(result.sum(axis=-1), 1, atol=1e-5)
    rows = logits.reshape(-1, logits.shape[-1])
    chosen = np.take_along_axis(rows, result.reshape(rows.shape).argmax(axis=1)[:, None], axis=1)[:, 0]
    np.testing.assert_allclose(chosen, rows.max(axis=1), rtol=1e-5, atol=1e-5)


@given(hnp.arrays(np.float32, (2, 4), elements=st.floats(-20, 20, width=32)), st.floats(-50, 50, width=32))
def test_softmax_ignores_a_common_offset(logits, offset):
    np.testing.assert_allclose(softmax(logits + np.float32(offset)), softmax(logits), atol=1e-4)


def test_softmax_of_known_values():
    np.testing.assert_allclose(softmax(np.log(np.array([1, 2, 5], np.float32))), [0.125, 0.25, 0.625], rtol=1e-6)
