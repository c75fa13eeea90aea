"""YuNet's decoding on made-up tensors."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fsrfer.runtime.detection.yunet import YuNetHead, decode_boxes

WIDTH, HEIGHT = 96, 64


def blank_outputs() -> dict[str, np.ndarray]:
    outputs = {}
    for stride in (8, 16, 32):
        cells = (WIDTH // stride) * (HEIGHT // stride)
        for kind, values in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)):
            outputs[f"{kind}_{stride}"] = np.zeros((cells, values), np.float32)
    return outputs


@given(
    stride=st.sampled_from([8, 16, 32]),
    x=st.floats(0, WIDTH - 1),
    y=st.floats(0, HEIGHT - 1),
    width=st.floats(2, 200),
    height=st.floats(2, 200),
)
def test_a_face_encoded_into_a_cell_is_decoded_where_it_was(stride, x, y, width, height):
    column, row = int(x // stride), int(y // stride)
    cell = row * (WIDTH // stride) + column
    outputs = blank_outputs()
    outputs[f"cls_{stride}"][cell], outputs[f"obj_{stride}"][cell] = 0.9, 0.4
    outputs[f"bbox_{stride}"][cell] = (
        x / stride - column,
        y / stride - row,
        np.log(width / stride),
        np.log(height / stride),
    )
    outputs[f"kps_{stride}"][cell] = np.tile([x / stride - column, y / stride - row], 5)
    found = YuNetHead().decode(outputs, (WIDTH, HEIGHT), 0.59)
    assert len(found) == 1
    np.testing.assert_allclose(found.scores, 0.6, rtol=1e-6)
    np.testing.assert_allclose(
        found.boxes[0], [x - width / 2, y - height / 2, x + width / 2, y + height / 2], atol=0.01
    )
    np.testing.assert_allclose(found.landmarks[0], np.tile([x, y], (5, 1)), atol=0.01)


def test_the_score_is_a_geometric_mean_held_against_the_threshold():
    outputs = blank_outputs()
    outputs["cls_16"][3], outputs["obj_16"][3] = 0.9, 0.4
    assert len(YuNetHead().decode(outputs, (WIDTH, HEIGHT), 0.61)) == 0


def test_levels_are_joined():
    outputs = blank_outputs()
    for stride in (8, 16, 32):
        outputs[f"cls_{stride}"][0] = outputs[f"obj_{stride}"][0] = 1.0
    found = YuNetHead().decode(outputs, (WIDTH, HEIGHT), 0.5)
    np.testing.assert_array_equal((found.boxes[:, 2:] - found.boxes[:, :2])[:, 0], [8, 16, 32])


def test_decoded_boxes_are_single_precision():
    assert decode_boxes(np.zeros((2, 4), np.float32), np.zeros((2, 2), np.float32), 8).dtype == np.float32
