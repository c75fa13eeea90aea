"""Networks that return what cannot be faces."""

from __future__ import annotations

import numpy as np
import pytest

from fsrfer.core.errors import DetectorError
from fsrfer.runtime.detection import DetectorConfig, open_detector
from fsrfer.runtime.detection.candidates import check_rows, finite_candidates, likely_rows

onnx = pytest.importorskip("onnx")


def with_output(source, target, name: str, value: float):
    """Write a copy of a graph in which one output is a constant, in the shape that it always has."""
    model = onnx.load(source)
    for node in model.graph.node:
        for position, output in enumerate(node.output):
            if output == name:
                node.output[position] = f"{name}.before"
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.float32(value), f"{name}.value"))
    inputs = [f"{name}.before", f"{name}.zero", f"{name}.value"]
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.float32(0), f"{name}.zero"))
    model.graph.node.append(onnx.helper.make_node("Mul", inputs[:2], [f"{name}.nothing"]))
    model.graph.node.append(onnx.helper.make_node("Add", [f"{name}.nothing", inputs[2]], [name]))
    onnx.save(model, target)
    return target


@pytest.mark.parametrize(
    ("output", "value", "problem"),
    [("cls_8", np.nan, "scores that are not numbers"), ("obj_32", np.nan, "scores that are not numbers")]
    + [(f"bbox_{stride}", np.nan, "boxes that are not numbers") for stride in (8, 16)]
    + [("bbox_8", 1e4, "boxes that are not numbers"), ("kps_8", np.inf, "boxes that are not numbers")],
)
@pytest.mark.filterwarnings("error")
def test_a_graph_that_returns_no_numbers_is_an_error_and_not_an_empty_street(
    yunet_file, tmp_path, group, output, value, problem
):
    file = with_output(yunet_file, tmp_path / "broken.onnx", output, value)
    config = DetectorConfig(score_threshold=0.0)  # every cell is a candidate
    with (
        open_detector(f"yunet:{file}", config, threads=1) as detector,
        pytest.raises(DetectorError, match=problem),
    ):
        detector.detect(group)


def test_retinaface_that_returns_no_numbers_is_an_error(retinaface_cache, tmp_path, group):
    source = retinaface_cache / "detectors" / "retinaface-mobilenet0.25.onnx"
    file = with_output(source, tmp_path / "broken.onnx", "conf", np.nan)
    with (
        open_detector(f"retinaface:{file}", threads=1) as detector,
        pytest.raises(DetectorError, match="scores that are not numbers"),
    ):
        detector.detect(group)


def test_rows_that_do_not_fit_are_named():
    outputs = {"score": np.zeros((8, 1), np.float32)}
    check_rows(outputs, {"score": (8, 1)}, (64, 32))
    with pytest.raises(DetectorError, match=r"output score .* 64x32; expected 9 rows of 1; found shape"):
        check_rows(outputs, {"score": (9, 1)}, (64, 32))


def test_likely_rows_reach_the_threshold():
    assert likely_rows(np.array([0.4, 0.5, 0.6], np.float32), 0.5).tolist() == [1, 2]
    with pytest.raises(DetectorError, match="not numbers"):
        likely_rows(np.array([0.9, np.nan], np.float32), 0.5)


def test_finite_candidates_are_put_together():
    boxes, scores = np.array([[0, 0, 1, 1]], np.float32), np.ones(1, np.float32)
    assert len(finite_candidates(boxes, scores, None)) == 1
    with pytest.raises(DetectorError, match="not numbers"):
        finite_candidates(boxes, scores, np.full((1, 5, 2), np.nan, np.float32))
