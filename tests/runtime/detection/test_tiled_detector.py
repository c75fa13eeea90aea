"""Tiles put together again: on planted crowds whose boxes are known, and on a photo."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsrfer.core.errors import InputSpecError
from fsrfer.runtime.detection import (
    DetectorConfig,
    FaceDetections,
    FaceDetector,
    TiledDetector,
    TilingConfig,
    open_detector,
)
from fsrfer.runtime.detection.nms import intersection_over_union
from fsrfer.runtime.detection.tiled_detector import merge_tiles
from fsrfer.runtime.detection.tiling import Tile

onnx = pytest.importorskip("onnx")

CELL = 8
FRAME_SIZE = (420, 300)
CLEAR = DetectorConfig(max_side=4096, max_enlargement=1.0, min_face_px=1.0, nms_iou=0.3)
SMALL_TILES = TilingConfig(side=128, overlap=48, whole_frame=False)


def marks_graph(path: Path) -> Path:
    """Write an SCRFD graph that finds a face around every marked pixel: as wide as its green, as high as its blue.

    A mark is red. Where it lies in its cell of 8x8 is part of what the convolution reads, so boxes are exact.
    """
    helper, numpy_helper, types = onnx.helper, onnx.numpy_helper, onnx.TensorProto
    down, right = np.mgrid[0:CELL, 0:CELL] + 0.5
    red, green, blue = range(3)
    score = np.zeros((2, 3, CELL, CELL))
    score[0, red] = 1.0
    sides = np.zeros((8, 3, CELL, CELL))  # of the first anchor: left, up, right, down; in cells, colours from 0 to 1
    for side, (channel, sign, place) in enumerate(
        [(green, 1, -right), (blue, 1, -down), (green, 1, right), (blue, 1, down)]
    ):
        sides[side, channel] = sign * 255 / 2 / CELL
        sides[side, red] += place / CELL
    constants, nodes, outputs = [], [], []

    def constant(name: str, values: object, dtype: type = np.float32) -> str:
        constants.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    nodes.append(helper.make_node("Mul", ["input.1", constant("scale", 128 / 255)], ["scaled"]))
    nodes.append(helper.make_node("Add", ["scaled", constant("mean", 127.5 / 255)], ["colors"]))
    for kind, weight, values in (("score", score, 1), ("bbox", sides, 4)):
        for stride in (8, 16, 32):
            name, steps = f"{kind}_{stride}", [stride, stride]
            kernel = constant(f"{name}.weight", weight if stride == CELL else np.zeros((2 * values, 3, stride, stride)))
            nodes.append(helper.make_node("Conv", ["colors", kernel], [f"{name}.map"], strides=steps))
            nodes.append(helper.make_node("Transpose", [f"{name}.map"], [f"{name}.last"], perm=[0, 2, 3, 1]))
            shape = constant(f"{name}.shape", [0, -1, values], np.int64)
            nodes.append(helper.make_node("Reshape", [f"{name}.last", shape], [name]))
            outputs.append(helper.make_tensor_value_info(name, types.FLOAT, ["n", "rows", values]))
    image = helper.make_tensor_value_info("input.1", types.FLOAT, ["n", 3, "height", "width"])
    graph = helper.make_graph(nodes, "marks", [image], outputs, constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


@pytest.fixture(scope="module")
def marks(tmp_path_factory) -> Iterator[FaceDetector]:
    """A detector that really runs and finds every mark exactly."""
    path = marks_graph(tmp_path_factory.mktemp("marks") / "marks.onnx")
    with open_detector(f"scrfd:{path}", CLEAR, threads=1) as detector:
        yield detector


@st.composite
def crowds(draw, largest: int = 40):
    """A frame with marks, and the boxes of its faces: no two overlap by more than NMS allows, nor share a cell."""
    frame = np.zeros((FRAME_SIZE[1], FRAME_SIZE[0], 3), np.uint8)
    boxes = np.zeros((0, 4), np.float32)
    for _ in range(draw(st.integers(1, 30))):
        w, h = draw(st.integers(4, largest)), draw(st.integers(4, largest))
        x, y = draw(st.integers(0, FRAME_SIZE[0] - 1)), draw(st.integers(0, FRAME_SIZE[1] - 1))
        near = frame[max(y - CELL, 0) : y + CELL, max(x - CELL, 0) : x + CELL]
        more = np.array([[x - w / 2, y - h / 2, x + w / 2, y + h / 2]], np.float32) + 0.5
        # Overlaps count before the detector clips boxes to the frame, and after.
        overlaps = [intersection_over_union(more, boxes), intersection_over_union(in_frame(more), in_frame(boxes))]
        if max(overlap.max(initial=0.0) for overlap in overlaps) < 0.29 and not near.any():
            frame[y, x] = (255, w, h)
            boxes = np.concatenate([boxes, more])
    return frame, in_frame(boxes)


def in_frame(boxes: np.ndarray) -> np.ndarray:
    return np.clip(boxes, 0, np.tile(np.float32(FRAME_SIZE), 2))


def in_order(boxes: np.ndarray) -> np.ndarray:
    return boxes[np.lexsort(boxes.round(2).T)]


@settings(max_examples=40, deadline=None)
@given(crowds(), st.integers(88, 200), st.integers(48, 80))
def test_every_face_of_a_crowd_comes_out_once_and_whole(marks, crowd, side, overlap):
    frame, boxes = crowd
    tiling = TilingConfig(side=max(side, 2 * overlap), overlap=overlap, whole_frame=False)
    found = TiledDetector(marks, tiling).detect(frame)
    assert len(found) == len(boxes)
    np.testing.assert_allclose(in_order(found.boxes), in_order(boxes), atol=0.02)


@settings(max_examples=20, deadline=None)
@given(crowds(largest=200))
def test_faces_larger_than_the_overlap_come_from_the_whole_frame(marks, crowd):
    frame, boxes = crowd
    found = TiledDetector(marks, replace(SMALL_TILES, whole_frame=True)).detect(frame)
    np.testing.assert_allclose(in_order(found.boxes), in_order(boxes), atol=0.02)


def test_no_part_of_a_face_that_no_tile_has_whole_is_reported(marks):
    frame = np.zeros((300, 420, 3), np.uint8)
    frame[150, 200] = (255, 220, 120)
    assert len(TiledDetector(marks, SMALL_TILES).detect(frame)) == 0
    assert len(TiledDetector(marks, replace(SMALL_TILES, whole_frame=True)).detect(frame)) == 1


def test_tiles_share_runs_and_a_batch_of_frames_changes_nothing(marks):
    frames = [np.zeros((300, 420, 3), np.uint8), np.zeros((128, 500, 3), np.uint8), np.zeros((50, 60, 3), np.uint8)]
    for index, frame in enumerate(frames):
        frame[20 + index, 30] = (255, 12, 14)
        frame[40, 50 - index] = (255, 20, 14)
    tiled = TiledDetector(marks.with_config(replace(CLEAR, max_batch=16)), replace(SMALL_TILES, whole_frame=True))
    together = tiled.detect_batch(frames)
    for one, frame in zip(together, frames, strict=True):
        assert len(one) == 2
        np.testing.assert_array_equal(one.boxes, tiled.detect(frame).boxes)
    assert tiled.detect_batch([]) == []


def test_limits_are_the_detectors(marks):
    tiled = TiledDetector(marks, SMALL_TILES)
    strict = tiled.with_config(replace(CLEAR, min_face_px=15.0))
    assert (tiled.name, tiled.score_threshold, strict.tiling) == ("scrfd", marks.score_threshold, SMALL_TILES)
    frame = np.zeros((300, 420, 3), np.uint8)
    frame[30, 30], frame[80, 200] = (255, 12, 14), (255, 20, 14)
    assert (len(tiled.detect(frame)), len(strict.detect(frame))) == (2, 1)
    assert strict.config.min_face_px == 15.0


def test_wrong_array_is_refused(marks):
    with pytest.raises(InputSpecError, match="found float32"):
        TiledDetector(marks, SMALL_TILES).detect(np.zeros((10, 10, 3), np.float32))


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 1), (3000, 1, 3), (1, 5000), (700, 700)])
def test_frames_of_any_shape(yunet, shape):
    assert len(TiledDetector(yunet, TilingConfig()).detect(np.full(shape, 127, np.uint8))) == 0


def test_merging_nothing_is_nothing():
    assert len(merge_tiles([], 0.3)) == 0
    assert len(merge_tiles([(Tile((9, 9), 0, 0, 9, 9), FaceDetections.empty())], 0.3)) == 0


def test_a_crowd_by_tiles_is_the_crowd_enlarged_as_a_whole(yunet, crowd):
    whole = yunet.with_config(DetectorConfig(max_side=3200, max_enlargement=2.0)).detect(crowd)
    tiles = yunet.with_config(DetectorConfig(max_side=1280, max_enlargement=2.0))
    found = TiledDetector(tiles, TilingConfig()).detect(crowd)
    assert len(found) > 500
    # The lattice of cells lies elsewhere in a tile, so scores differ a little: those far above the threshold stay.
    clear = whole.select(whole.scores > 0.75)
    assert intersection_over_union(clear.boxes, found.boxes).max(axis=1).min() > 0.5
    pairs = intersection_over_union(found.boxes, found.boxes)
    np.fill_diagonal(pairs, 0.0)
    assert pairs.max() <= tiles.config.nms_iou


@pytest.mark.slow
def test_8k_frame_by_tiles(yunet, crowd):
    frame = cv2.resize(crowd[:, :1422], (7680, 4850))[:4320]
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    tiled = TiledDetector(
        yunet.with_config(DetectorConfig(max_enlargement=1.0, scales=(1.0,))), TilingConfig(side=1280)
    )
    found = tiled.detect(grey)
    assert len(found) > 400
    assert found.boxes.max() <= 7680
    assert len(found) > 1.2 * len(yunet.detect(grey))  # which sees the whole frame at 1280 px
