"""RetinaFace's decoding on made-up tensors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fsrfer.runtime.detection.retinaface import RetinaFaceHead, decode_boxes, decode_landmarks, priors

WIDTH, HEIGHT = 96, 64
PRIORS = priors(WIDTH, HEIGHT)


def encode_boxes(boxes: np.ndarray, near: np.ndarray) -> np.ndarray:
    """SSD's encoding, written from its definition: the inverse of what is tested."""
    centers, sizes = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    return np.hstack([(centers - near[:, :2]) / near[:, 2:] / 0.1, np.log(sizes / near[:, 2:]) / 0.2])


def test_priors_have_two_squares_a_cell_in_row_major_order():
    assert PRIORS.shape == (2 * (12 * 8 + 6 * 4 + 3 * 2), 4)
    np.testing.assert_array_equal(PRIORS[0], [4, 4, 16, 16])
    np.testing.assert_array_equal(PRIORS[1], [4, 4, 32, 32])
    np.testing.assert_array_equal(PRIORS[2], [12, 4, 16, 16])
    np.testing.assert_array_equal(PRIORS[2 * 12], [4, 12, 16, 16])
    np.testing.assert_array_equal(PRIORS[-1], [80, 48, 512, 512])


def test_priors_are_cached_and_cannot_be_changed():
    assert priors(WIDTH, HEIGHT) is PRIORS
    with pytest.raises(ValueError, match="read-only"):
        PRIORS[0] = 0


@given(
    hnp.arrays(np.float32, (5, 2), elements=st.floats(-50, 150, width=32)),
    hnp.arrays(np.float32, (5, 2), elements=st.floats(2, 300, width=32)),
    st.lists(st.integers(0, len(PRIORS) - 1), min_size=5, max_size=5),
)
def test_decoding_is_the_inverse_of_encoding(corners, sizes, indices):
    near, boxes = PRIORS[indices], np.hstack([corners, corners + sizes])
    decoded = decode_boxes(encode_boxes(boxes, near).astype(np.float32), near)
    assert decoded.dtype == np.float32
    np.testing.assert_allclose(decoded, boxes, atol=0.02)


@given(
    hnp.arrays(np.float32, (3, 5, 2), elements=st.floats(-50, 150, width=32)),
    st.lists(st.integers(0, len(PRIORS) - 1), min_size=3, max_size=3),
)
def test_landmarks_decode_to_what_was_encoded(points, indices):
    near = PRIORS[indices]
    offsets = (points - near[:, None, :2]) / near[:, None, 2:] / 0.1
    decoded = decode_landmarks(offsets.reshape(3, 10).astype(np.float32), near)
    np.testing.assert_allclose(decoded, points, atol=0.02)


def test_only_likely_priors_are_decoded_and_each_with_its_own():
    face = np.array([[30, 20, 50, 46]], np.float32)
    likely, barely, unlikely = 40, 41, 42
    conf = np.zeros((len(PRIORS), 2), np.float32)
    conf[[likely, barely, unlikely], 1] = 0.9, 0.5, 0.49
    loc = np.zeros((len(PRIORS), 4), np.float32)
    loc[[likely]] = encode_boxes(face, PRIORS[[likely]])
    outputs = {"loc": loc, "conf": conf, "landmarks": np.zeros((len(PRIORS), 10), np.float32)}
    found = RetinaFaceHead().decode(outputs, (WIDTH, HEIGHT), 0.5)
    np.testing.assert_array_equal(found.scores, np.float32([0.9, 0.5]))
    np.testing.assert_allclose(found.boxes[0], face[0], atol=0.01)
    np.testing.assert_allclose(found.landmarks[1], np.tile(PRIORS[barely, :2], (5, 1)))
