"""Data sets of image files: everything is found while opening."""

from __future__ import annotations

import logging
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from fsrfer.core.errors import DatasetError
from fsrfer.datasets.on_disk import FaceFile, open_files

LABELS = ("neutral", "happiness")


@pytest.fixture
def files(tmp_path, jpeg):
    paths = [tmp_path / f"{number}.jpg" for number in range(12)]
    for number, path in enumerate(paths):
        path.write_bytes(jpeg(number))
    return [FaceFile(path, number % 2, path.name) for number, path in enumerate(paths)]


def opened(files, **options):
    return open_files(files, name="mine", split="train", labels=LABELS, options={"form": "x"}, **options)


@pytest.mark.parametrize("kept_bytes", [0, 1000, 1 << 20])
def test_samples_are_the_same_whether_files_are_kept_or_read_again(files, kept_bytes):
    dataset = opened(files, kept_bytes=kept_bytes)
    assert len(dataset) == 12
    assert [dataset[index].sample_id for index in range(12)] == [file.sample_id for file in files]
    np.testing.assert_array_equal(dataset.label_indices, [0, 1] * 6)
    reference = opened(files)
    for index in range(12):
        np.testing.assert_array_equal(dataset[index].image, reference[index].image)
    assert dataset.dataset_id == reference.dataset_id
    with pytest.raises(IndexError):
        dataset[12]


def test_many_faults_are_one_error_that_names_the_first_and_counts_the_rest(files, tmp_path):
    (tmp_path / "0.jpg").unlink()
    for number in range(1, 8):
        (tmp_path / f"{number}.jpg").write_bytes((tmp_path / f"{number}.jpg").read_bytes()[:-30])
    with pytest.raises(DatasetError, match="mine/train has 8 unusable entries") as caught:
        opened(files)
    text = str(caught.value)
    assert f"{tmp_path / '0.jpg'} (is missing)" in text
    assert f"{tmp_path / '4.jpg'} (is a JPEG that was cut off)" in text
    assert "and 3 more" in text
    assert "5.jpg" not in text


def test_skipping_is_counted_exposed_and_logged_once(files, tmp_path, caplog):
    (tmp_path / "3.jpg").write_bytes(b"")
    (tmp_path / "7.jpg").write_bytes(b"GIF89a")
    with caplog.at_level(logging.WARNING):
        dataset = opened(files, skip_bad=True)
    assert len(dataset) == 10
    assert [(fault.path, fault.reason) for fault in dataset.skipped] == [
        (str(tmp_path / "3.jpg"), "is empty"),
        (str(tmp_path / "7.jpg"), "cannot be decoded as an image"),
    ]
    assert len(caplog.records) == 1
    assert "skipped 2 unusable entries" in caplog.text
    assert [dataset[index].sample_id for index in (2, 3)] == ["2.jpg", "4.jpg"]


def test_nothing_left_is_an_error_even_when_skipping(files, tmp_path):
    for file in files:
        file.path.unlink()
    with pytest.raises(DatasetError, match="mine/train has no usable face"):
        opened(files, skip_bad=True)


@pytest.mark.parametrize("change", ["unlink", "cut"])
def test_a_file_that_changes_later_is_named(files, change):
    dataset = opened(files, kept_bytes=0)
    path = files[5].path
    if change == "unlink":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-30])
    assert dataset[4].image.shape == (20, 20, 3)
    with pytest.raises(DatasetError, match=r"5\.jpg changed after the data set was opened"):
        dataset[5]


def test_files_that_were_kept_may_go(files):
    dataset = opened(files)
    files[5].path.unlink()
    assert dataset[5].image.shape == (20, 20, 3)


def test_the_identity_follows_the_content_and_not_the_place(files, tmp_path, jpeg):
    identity = opened(files).dataset_id
    assert identity.startswith("mine/train?form=x&faces=12&sha256=")
    copies = tmp_path / "copy"
    copies.mkdir()
    moved = [FaceFile(Path(shutil.copy(file.path, copies)), file.label, file.sample_id) for file in files]
    assert opened(moved).dataset_id == identity
    different = [
        opened(files[:-1]),
        opened(files[::-1]),
        opened([FaceFile(files[0].path, 1, files[0].sample_id), *files[1:]]),
        opened([FaceFile(files[0].path, 0, "renamed"), *files[1:]]),
        opened([FaceFile(files[0].path, 0, files[0].sample_id, box=(0, 0, 5, 5)), *files[1:]]),
    ]
    files[0].path.write_bytes(jpeg(99))
    different.append(opened(files))
    assert len({identity, *(dataset.dataset_id for dataset in different)}) == 7


def test_progress_is_told_up_to_the_total(files):
    calls = []
    opened(files * 20, on_progress=lambda *call: calls.append(call))
    assert calls == [(100, 240), (200, 240), (240, 240)]


def test_an_opened_data_set_travels_to_worker_processes(files):
    copy = pickle.loads(pickle.dumps(opened(files)))
    np.testing.assert_array_equal(copy[3].image, opened(files)[3].image)


def test_labels_cannot_be_changed_from_outside(files):
    with pytest.raises(ValueError, match="read-only"):
        opened(files).label_indices[0] = 1
