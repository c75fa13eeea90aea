"""Face crops for calibration: in balance, only where asked for, and nothing else."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from fsrfer.core.errors import UsageError
from fsrfer.core.labels import CANONICAL_LABELS
from fsrfer.datasets import open_dataset
from fsrfer.runtime.sinks import CalibrationRecorder
from fsrfer.runtime.sinks.calibration_recorder import SIZE_BANDS_PX

CELLS = len(CANONICAL_LABELS) * len(SIZE_BANDS_PX)


def recorder_in(folder, per_cell=2) -> CalibrationRecorder:
    return CalibrationRecorder(folder, CANONICAL_LABELS, 0.0, limit=per_cell * CELLS)


def noisy(result, seed: int):
    result.frame.image[:] = np.random.default_rng(seed).integers(0, 256, result.frame.image.shape, dtype=np.uint8)
    return result


def test_crops_are_a_data_set_for_calibration(make_result, tmp_path):
    boxes = ((10, 10, 30, 30), (40, 10, 52, 22))
    with recorder_in(tmp_path / "crops") as recorder:
        recorder.write(noisy(make_result(boxes, label=1), 0))
        recorder.write(noisy(make_result(boxes, label=2, time_s=5.0), 1))
        assert recorder.recorded == 4
    dataset = open_dataset(f"folder:{tmp_path / 'crops'}", "train")
    assert dataset.labels == CANONICAL_LABELS[1:3]
    assert sorted(dataset[index].image.shape[0] for index in range(4)) == [12, 12, 20, 20]
    assert "tell the people" in (tmp_path / "crops" / "README.txt").read_text()


def test_a_crop_is_what_the_model_saw(make_result, tmp_path):
    result = noisy(make_result(((10, 20, 30, 40),)), 0)
    with recorder_in(tmp_path / "crops") as recorder:
        recorder.write(result)
    (path,) = (tmp_path / "crops").glob("train/*/*.png")
    stored = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    np.testing.assert_array_equal(stored, result.frame.image[20:40, 10:30])


def test_expressions_and_sizes_are_kept_in_balance(make_result, tmp_path):
    with recorder_in(tmp_path / "crops") as recorder:
        for second in range(0, 20, 2):
            recorder.write(noisy(make_result(((10, 10, 30, 30),), time_s=float(second), label=1), second))
        assert recorder.recorded == 2
        recorder.write(noisy(make_result(((10, 10, 22, 22),), time_s=30.0, label=1), 30))
        recorder.write(noisy(make_result(((10, 10, 30, 30),), time_s=40.0, label=4), 40))
        assert recorder.recorded == 4


def test_one_face_a_moment_apart_is_one_crop(make_result, tmp_path):
    with recorder_in(tmp_path / "crops") as recorder:
        for index in range(10):
            recorder.write(noisy(make_result(time_s=index / 25), index))
        assert recorder.recorded == 1
        recorder.write(noisy(make_result(source="another", time_s=0.2), 99))
        assert recorder.recorded == 2
        still = make_result(time_s=100.0)
        recorder.write(noisy(still, 99))  # the same pixels again
        assert recorder.recorded == 2


def test_recording_goes_on_where_it_stopped(make_result, tmp_path):
    for run in range(3):
        with recorder_in(tmp_path / "crops") as recorder:
            recorder.write(noisy(make_result(time_s=0.0), run))
    assert len(list((tmp_path / "crops").glob("train/*/*.png"))) == 2  # the share of that size and expression


def test_ready_made_faces_are_kept_whole(make_result, tmp_path):
    with recorder_in(tmp_path / "crops") as recorder:
        recorder.write(noisy(make_result(None, size=(16, 16)), 0))
    (path,) = (tmp_path / "crops").glob("train/*/*.png")
    assert cv2.imread(str(path)).shape == (16, 16, 3)


def test_a_folder_with_something_else_is_left_alone(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "holiday.jpg").write_bytes(b"")
    with pytest.raises(UsageError, match="holds something else"):
        recorder_in(tmp_path / "photos")
    with pytest.raises(UsageError, match="too few crops"):
        CalibrationRecorder(tmp_path / "new", CANONICAL_LABELS, 0.0, limit=3)
