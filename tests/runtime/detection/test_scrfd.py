"""SCRFD's decoding, on graphs with the outputs of the public files that really run; no real weights ran here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsrfer.core.errors import DetectorError
from fsrfer.runtime.detection import DetectorConfig, open_detector
from fsrfer.runtime.detection.scrfd import SCRFDHead, decode_boxes

onnx = pytest.importorskip("onnx")

STRIDES = (8, 16, 32)
NAMED = SCRFDHead.for_outputs([f"{kind}_{stride}" for kind in ("score", "bbox", "kps") for stride in STRIDES])


def planted_graph(
    path: Path, *, has_landmarks: bool, is_batched: bool, is_named: bool, side: int | None = None
) -> Path:
    """Write a graph with SCRFD's input and outputs that finds a face wherever a cell's corner is red.

    Red (after SCRFD's normalisation 0.99609375, the frame's 255) in the upper left pixel of a cell is the score of
    its second anchor at that stride; what the first says is constant. A face reaches one stride to the left, two up,
    three to the right and four down; landmark k lies k strides to the right of the corner, and half a stride down.
    """
    helper, numpy_helper, types = onnx.helper, onnx.numpy_helper, onnx.TensorProto
    nodes, constants, outputs = [], [], []

    def constant(name: str, values: object, dtype: type = np.float32) -> str:
        constants.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def rows(kind: str, stride: int, weight: np.ndarray, bias: np.ndarray, values: int) -> None:
        """One convolution of a stride as wide as the cell, laid out as (rows, values) in SCRFD's order."""
        name = f"{kind}_{stride}"
        kernel, offset = constant(f"{name}.weight", weight), constant(f"{name}.bias", bias)
        nodes.append(helper.make_node("Conv", ["input.1", kernel, offset], [f"{name}.map"], strides=[stride, stride]))
        nodes.append(helper.make_node("Transpose", [f"{name}.map"], [f"{name}.last"], perm=[0, 2, 3, 1]))
        shape = constant(f"{name}.shape", [0, -1, values] if is_batched else [-1, values], np.int64)
        nodes.append(helper.make_node("Reshape", [f"{name}.last", shape], [name]))
        axes = [None, None, values] if is_batched else [None, values]
        outputs.append(helper.make_tensor_value_info(name, types.FLOAT, axes))

    for stride in STRIDES:
        weight = np.zeros((2, 3, stride, stride))
        weight[1, 0, 0, 0] = 1.0  # RGB: channel 0 is red
        rows("score", stride, weight, np.array([0.1, 0.0]), 1)
    for stride in STRIDES:
        rows("bbox", stride, np.zeros((8, 3, stride, stride)), np.array([9, 9, 9, 9, 1, 2, 3, 4]), 4)
    for stride in STRIDES if has_landmarks else ():
        points = [value for k in range(5) for value in (k, 0.5)]
        rows("kps", stride, np.zeros((20, 3, stride, stride)), np.array([9.0] * 10 + points), 10)
    if not is_named:  # as in the published files: numbers, in the same order
        for number, output in enumerate(outputs):
            nodes.append(helper.make_node("Identity", [output.name], [str(440 + number)]))
            output.name = str(440 + number)
    size = "?" if side is None else side
    image = helper.make_tensor_value_info("input.1", types.FLOAT, ["?" if is_batched else 1, 3, size, size])
    graph = helper.make_graph(nodes, "scrfd", [image], outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def frame_with(*points: tuple[int, int], size: tuple[int, int] = (320, 256)) -> np.ndarray:
    """A frame that is red at these points, x and y, and black elsewhere."""
    frame = np.zeros((size[1], size[0], 3), np.uint8)
    for x, y in points:
        frame[y, x, 0] = 255
    return frame


def as_it_is(**changes: object) -> DetectorConfig:
    return DetectorConfig(max_enlargement=1.0, score_threshold=0.5, nms_iou=0.9, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("is_named", [True, False])
@pytest.mark.parametrize("is_batched", [True, False])
@pytest.mark.parametrize("has_landmarks", [True, False])
def test_planted_faces_are_found_where_they_are(tmp_path, has_landmarks, is_batched, is_named):
    file = planted_graph(tmp_path / "scrfd.onnx", has_landmarks=has_landmarks, is_batched=is_batched, is_named=is_named)
    # (40, 24) is the corner of a cell of stride 8 alone, (80, 144) of strides 8 and 16, (160, 192) of all three.
    with open_detector(f"scrfd:{file}", as_it_is(), threads=1) as detector:
        assert detector.name == "scrfd"
        found = detector.detect(frame_with((40, 24), (80, 144), (160, 192)))
    expected = [(40, 24, 8), (80, 144, 8), (80, 144, 16), (160, 192, 8), (160, 192, 16), (160, 192, 32)]
    boxes = sorted((x - s, max(y - 2 * s, 0), x + 3 * s, min(y + 4 * s, 256)) for x, y, s in expected)
    np.testing.assert_allclose(sorted(map(tuple, found.boxes)), boxes, atol=1e-3)
    np.testing.assert_allclose(found.scores, 0.99609375, rtol=1e-6)
    if has_landmarks:
        smallest = int(np.argmin(found.sides + found.boxes[:, 0]))
        np.testing.assert_allclose(found.landmarks[smallest], [(40 + 8 * k, 28) for k in range(5)], atol=1e-3)
    else:
        assert found.landmarks is None


@pytest.mark.parametrize("is_batched", [True, False])
def test_frames_of_several_sizes_in_one_call(tmp_path, is_batched):
    file = planted_graph(tmp_path / "scrfd.onnx", has_landmarks=True, is_batched=is_batched, is_named=True)
    frames = [frame_with((40, 24)), frame_with((72, 40), size=(96, 96)), frame_with((8, 8)), frame_with()]
    with open_detector(f"scrfd:{file}", as_it_is(max_batch=4), threads=1) as detector:
        together = detector.detect_batch(frames)
        alone = [detector.detect(frame) for frame in frames]
    assert [len(found) for found in together] == [1, 1, 1, 0]
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_array_equal(one.boxes, other.boxes)


def test_graph_of_a_fixed_size(tmp_path):
    file = planted_graph(tmp_path / "s.onnx", has_landmarks=False, is_batched=False, is_named=False, side=320)
    with open_detector(f"scrfd:{file}", as_it_is(), threads=1) as detector:
        found = detector.detect(frame_with((40, 24), size=(200, 100)))
    np.testing.assert_allclose(found.boxes, [[32, 8, 64, 56]], atol=1e-3)


def test_the_padding_is_black_and_no_face(tmp_path):
    file = planted_graph(tmp_path / "s.onnx", has_landmarks=False, is_batched=True, is_named=True)
    with open_detector(f"scrfd:{file}", as_it_is(), threads=1) as detector:
        assert len(detector.detect(frame_with(size=(33, 33)))) == 0


@given(
    stride=st.sampled_from(STRIDES),
    cell=st.tuples(st.integers(0, 2), st.integers(0, 1)),
    anchor=st.integers(0, 1),
    distances=st.tuples(*[st.floats(0, 20, width=32)] * 4),
)
def test_a_face_encoded_into_an_anchor_is_decoded_where_it_was(stride, cell, anchor, distances):
    width, height = 96, 64
    outputs = {}
    for (kind, of_stride), name in NAMED.output_of.items():
        rows = (width // of_stride) * (height // of_stride) * 2
        outputs[name] = np.zeros((rows, {"score": 1, "bbox": 4, "kps": 10}[kind]), np.float32)
    row = (cell[1] * (width // stride) + cell[0]) * 2 + anchor
    outputs[f"score_{stride}"][row] = 0.75
    outputs[f"bbox_{stride}"][row] = distances
    found = NAMED.decode(outputs, (width, height), 0.5)
    x, y = cell[0] * stride, cell[1] * stride
    left, up, right, down = np.float32(distances) * stride
    np.testing.assert_allclose(found.boxes, [[x - left, y - up, x + right, y + down]], rtol=1e-5, atol=1e-3)
    np.testing.assert_allclose(found.landmarks[0], [(x, y)] * 5)


def test_a_box_that_ends_before_it_starts_is_empty_and_no_crash():
    boxes = decode_boxes(np.array([[-3, 1, 2, -0.5]], np.float32), np.array([[4, 4]], np.float32), 8)
    np.testing.assert_array_equal(boxes, [[56, 24, 56, 28]])


def test_graph_of_another_family_is_refused(yunet_file):
    with pytest.raises(DetectorError, match="not a scrfd detector; expected 6 outputs, or 9 with landmarks"):
        open_detector(f"scrfd:{yunet_file}")


def test_outputs_in_another_order_are_refused(tmp_path):
    file = planted_graph(tmp_path / "s.onnx", has_landmarks=True, is_batched=True, is_named=False)
    model = onnx.load(file)
    shuffled = list(model.graph.output)[::-1]
    del model.graph.output[:]
    model.graph.output.extend(shuffled)
    onnx.save(model, file)
    with (
        open_detector(f"scrfd:{file}", as_it_is(), threads=1) as detector,
        pytest.raises(DetectorError, match=r"does not fit its input of 320x256; expected 2560 rows of 1; found"),
    ):
        detector.detect(frame_with())
