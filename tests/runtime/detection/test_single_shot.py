"""Whole detectors: the real networks on real pictures."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import cv2
import numpy as np
import pytest

from fsrfer.core.errors import DetectorError, InputSpecError, UsageError
from fsrfer.runtime import OnnxRuntimeRunner
from fsrfer.runtime.detection import DetectorConfig, open_detector
from fsrfer.runtime.detection.retinaface import RetinaFaceHead
from fsrfer.runtime.detection.single_shot import SingleShotDetector
from fsrfer.runtime.detection.yunet import YuNetHead


def test_crowd_has_more_than_sixty_faces_of_the_sizes_asked_for(detector, crowd):
    found = detector.detect(crowd)
    assert len(found) > 60
    assert found.sides.min() >= DetectorConfig().min_face_px
    assert found.scores.min() >= detector.score_threshold
    assert np.all(np.diff(found.scores) <= 0)


def test_boxes_lie_in_the_frame_and_are_not_empty(detector, crowd):
    frame = crowd[:, 80:433]  # cuts through faces at both sides
    boxes = detector.detect(frame).boxes
    assert boxes.min() >= 0
    assert boxes[:, 2].max() <= frame.shape[1]
    assert boxes[:, 3].max() <= frame.shape[0]
    assert np.all(boxes[:, 2:] > boxes[:, :2])


def test_landmarks_are_laid_out_like_a_face(detector, group):
    found = detector.detect(group)
    large = found.select(found.sides > 40)
    assert len(large) >= 3
    left_eye, right_eye, nose, left_mouth, right_mouth = large.landmarks.transpose(1, 0, 2)
    assert np.all(left_eye[:, 0] < right_eye[:, 0])
    assert np.all(left_mouth[:, 0] < right_mouth[:, 0])
    assert np.all(np.maximum(left_eye[:, 1], right_eye[:, 1]) < nose[:, 1])
    assert np.all(nose[:, 1] < np.minimum(left_mouth[:, 1], right_mouth[:, 1]))
    assert np.all((nose > large.boxes[:, :2]) & (nose < large.boxes[:, 2:]))


def test_detectors_agree_on_large_faces(retinaface, yunet, group):
    ours, theirs = (detector.detect(group) for detector in (retinaface, yunet))
    assert len(ours.select(ours.sides > 60)) >= 3
    for box in ours.select(ours.sides > 60).boxes:
        assert overlaps(box, theirs.boxes).max() > 0.6


def test_boxes_follow_a_shifted_frame(open_with, group):
    # 32 px at the native size are whole cells, so the network sees the very same picture elsewhere.
    config = DetectorConfig(max_side=4096, max_enlargement=1.0, score_threshold=0.8)
    with open_with(config) as still:
        before = still.detect(group)
        after = still.detect(cv2.copyMakeBorder(group, 32, 0, 64, 0, cv2.BORDER_REPLICATE))
    for box in before.boxes:
        moved = box + np.float32([64, 32, 64, 32])
        assert overlaps(moved, after.boxes).max() > 0.9


def test_scale_back_is_right_where_sides_are_rounded(detector, group):
    at_size = detector.detect(group)
    odd = cv2.resize(group, (487, 301))  # neither side scales to whole pixels; each axis has its own factor
    factors = np.tile(np.float32([487 / group.shape[1], 301 / group.shape[0]]), 2)
    found = detector.detect(odd)
    for box in at_size.select(at_size.sides > 60).boxes * factors:
        assert overlaps(box, found.boxes).max() > 0.75


def test_small_faces_are_found_by_enlarging(detector, open_with, crowd):
    frame = cv2.resize(crowd, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    with open_with(DetectorConfig(max_enlargement=1.0, scales=(1.0,))) as native:
        assert len(detector.detect(frame)) > 1.3 * len(native.detect(frame))


def test_two_looks_find_more_than_one(open_with, crowd):
    frame = cv2.resize(crowd, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    with open_with(DetectorConfig(scales=(1.0,))) as one, open_with(DetectorConfig(scales=(1.0, 2 / 3))) as two:
        once, twice = one.detect(frame), two.detect(frame)
    assert len(twice) > 100
    # Both looks see the clear faces, so these keep their place; the score is that of looks that agree.
    clear = once.select((once.scores > 0.85) & (once.sides > 16))
    assert len(clear) >= 5
    for box in clear.boxes:
        assert overlaps(box, twice.boxes).max() > 0.6
    pairs = np.stack([overlaps(box, twice.boxes) for box in twice.boxes])
    np.fill_diagonal(pairs, 0.0)
    assert pairs.max() < 0.5


def test_a_look_that_is_the_same_twice_changes_nothing(open_with):
    # Of a picture of one pixel, both scales round to the same size.
    with open_with(DetectorConfig(scales=(1.0, 0.99), max_enlargement=1.0)) as detector:
        assert len(detector.detect(np.zeros((1, 1, 3), np.uint8))) == 0


def test_another_configuration_shares_the_graph(detector, group):
    mine = detector.detect(group)
    large = detector.with_config(replace(detector.config, min_face_px=105.0, score_threshold=0.8))
    assert (large.score_threshold, large.config.min_face_px) == (0.8, 105.0)
    with large:  # entering and leaving it does nothing: the graph belongs to the detector that was opened
        found = large.detect(group)
    assert 0 < len(found) < len(mine)
    assert found.sides.min() >= 105.0
    assert len(large.detect(group)) == len(found)
    np.testing.assert_array_equal(detector.detect(group).boxes, mine.boxes)
    assert detector.config.min_face_px == DetectorConfig().min_face_px


def test_sources_of_other_sizes_take_turns(detector, crowd, group):
    small = detector.with_config(replace(detector.config, max_side=320))
    expected = [detector.detect(crowd), small.detect(group), detector.detect(group)]
    for _ in range(2):  # the memory of the input is shared, whatever the order of the sizes
        again = [detector.detect(crowd), small.detect(group), detector.detect(group)]
        for one, other in zip(expected, again, strict=True):
            np.testing.assert_array_equal(one.boxes, other.boxes)


def test_five_hundred_faces_in_a_frame(detector, crowd):
    tiles = detector.with_config(replace(detector.config, max_side=3200, score_threshold=0.5)).detect(crowd)
    assert len(tiles) > 500
    pairs = np.stack([overlaps(box, tiles.boxes) for box in tiles.boxes])
    np.fill_diagonal(pairs, 0.0)
    assert pairs.max() < 0.5


def test_largest_faces_alone_when_asked(open_with, crowd):
    with open_with(DetectorConfig(min_face_px=60.0)) as picky:
        found = picky.detect(crowd)
    assert 1 <= len(found) <= 20
    assert found.sides.min() >= 60


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 1), (3000, 1, 3), (1, 5000), (31, 33, 3), (200, 300)])
def test_a_frame_without_faces_gives_none_whatever_its_shape(detector, shape):
    found = detector.detect(np.full(shape, 127, np.uint8))
    assert len(found) == 0
    assert found.boxes.shape == (0, 4)
    assert found.landmarks.shape == (0, 5, 2)


def test_8k_frame(detector, crowd):
    frame = cv2.resize(crowd, (7680, 4320))
    found = detector.detect(frame)
    assert len(found) > 60
    assert found.boxes[:, 2].max() > 4000


def test_grey_frame(detector, group):
    grey = cv2.cvtColor(group, cv2.COLOR_RGB2GRAY)
    assert len(detector.detect(grey)) >= 3


def test_frame_is_left_as_it_was_and_may_be_a_view(detector, group):
    view = group[::-1][::-1, :, :]
    before = view.copy()
    again = detector.detect(view)
    np.testing.assert_array_equal(view, before)
    np.testing.assert_array_equal(again.boxes, detector.detect(group).boxes)


def test_a_batch_gives_what_its_frames_give_alone(detector, crowd, group):
    detector = detector.with_config(replace(detector.config, max_batch=4))
    small = cv2.resize(group, (320, 240))
    frames = [crowd, small, np.zeros((240, 320, 3), np.uint8), small[:, ::-1], crowd[:400, :300]]
    together = detector.detect_batch(frames)
    alone = [detector.detect(frame) for frame in frames]
    assert [len(found) for found in together] == [len(found) for found in alone]
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_allclose(one.boxes, other.boxes, atol=0.05)
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-3)
    assert detector.detect_batch([]) == []


def test_wrong_array_is_refused(detector):
    with pytest.raises(InputSpecError, match="found float32"):
        detector.detect(np.zeros((10, 10, 3), np.float32))


def test_most_candidates_are_the_best_ones(detector, open_with, crowd):
    with open_with(DetectorConfig(max_candidates=1, scales=(1.0,))) as single:
        found = single.detect(crowd)
    assert len(found) == 1
    best = detector.with_config(DetectorConfig(scales=(1.0,))).detect(crowd)
    assert found.scores[0] == best.scores[0]


@pytest.fixture
def fixed_yunet_file(yunet_file, tmp_path):
    onnx = pytest.importorskip("onnx")
    model = onnx.load(yunet_file)
    for axis, length in zip(model.graph.input[0].type.tensor_type.shape.dim, (1, 3, 320, 480), strict=True):
        axis.dim_value = length
    path = tmp_path / "yunet-480x320.onnx"
    onnx.save(model, path)
    return path


def test_graph_of_fixed_input_size_is_fed_that_size(fixed_yunet_file, yunet, group):
    with open_detector(f"yunet:{fixed_yunet_file}", DetectorConfig(max_side=64), threads=1) as fixed:
        found = fixed.detect_batch([group, group[::2, ::2], group[:, :200]])
    reference = yunet.detect(group)
    for box in reference.select(reference.sides > 100).boxes:
        assert overlaps(box, found[0].boxes).max() > 0.7
        assert overlaps(box / 2, found[1].boxes).max() > 0.6


def test_graph_of_another_family_is_refused(yunet_file):
    with pytest.raises(DetectorError, match="not a retinaface detector; expected outputs loc, conf, landmarks"):
        SingleShotDetector(OnnxRuntimeRunner(yunet_file), RetinaFaceHead(), DetectorConfig())


def test_graph_of_unusable_input_size_is_refused(yunet_file, tmp_path):
    onnx = pytest.importorskip("onnx")
    model = onnx.load(yunet_file)
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_value = 320  # the width stays free
    path = tmp_path / "half.onnx"
    onnx.save(model, path)
    with pytest.raises(DetectorError, match=r"expected one input.*found input float32 \(\?, 3, 320, \?\)"):
        SingleShotDetector(OnnxRuntimeRunner(path), YuNetHead(), DetectorConfig())


def overlaps(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    common = np.maximum(np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2]), 0).prod(axis=1)
    areas = (others[:, 2:] - others[:, :2]).prod(axis=1)
    return common / ((box[2:] - box[:2]).prod() + areas - common)


def test_yunet_looks_twice_only_where_both_looks_enlarge(yunet, group):
    tiny = cv2.resize(group, (400, 300), interpolation=cv2.INTER_AREA)
    once, twice = (yunet.with_config(DetectorConfig(scales=scales)) for scales in ((1.0,), (1.0, 2 / 3)))
    for frame, same in ((tiny, twice), (group, once)):
        np.testing.assert_array_equal(yunet.detect(frame).boxes, same.detect(frame).boxes)
    assert not np.array_equal(once.detect(tiny).boxes, twice.detect(tiny).boxes)
    assert not np.array_equal(once.detect(group).boxes, twice.detect(group).boxes)


def test_threads_that_search_at_the_same_time_find_the_same(yunet, crowd, group):
    frames = [crowd, group, crowd[:200], group[:150]]
    alone = [yunet.detect(frame) for frame in frames]
    detectors = [yunet.for_thread() for _ in frames]
    with ThreadPoolExecutor(len(frames)) as threads:
        for _ in range(3):
            together = threads.map(lambda detector, frame: detector.detect(frame), detectors, frames)
            for one, other in zip(alone, together, strict=True):
                assert np.array_equal(one.boxes, other.boxes)
                assert np.array_equal(one.scores, other.scores)


def test_a_runner_of_one_thread_is_not_shared(yunet_file):
    class Alone(OnnxRuntimeRunner):
        serves_threads = False

    detector = SingleShotDetector(Alone(yunet_file), YuNetHead(), DetectorConfig())
    with detector, pytest.raises(UsageError, match="one thread at a time"):
        detector.for_thread()
