"""Faces in folders."""

from __future__ import annotations

import numpy as np
import pytest

from fsrfer.core.errors import DatasetError
from fsrfer.datasets.folder import open_folder


def test_all_splits_number_the_expressions_alike(tmp_path, make_folders):
    path = make_folders(tmp_path, {"train/angry": 2, "train/Happy": 3, "test/neutral": 1, "test/anger": 2})
    train, test = open_folder(path, "train"), open_folder(path, "test")
    assert train.labels == test.labels == ("neutral", "happiness", "anger")
    np.testing.assert_array_equal(train.label_indices, [1, 1, 1, 2, 2])
    np.testing.assert_array_equal(test.label_indices, [0, 2, 2])
    assert [train[index].sample_id for index in range(5)] == [
        "Happy/0.jpg",
        "Happy/1.jpg",
        "Happy/2.jpg",
        "angry/0.jpg",
        "angry/1.jpg",
    ]


def test_hidden_files_are_ignored_and_others_are_faults(tmp_path, make_folders, jpeg):
    path = make_folders(tmp_path, {"train/anger": 2})
    (path / "train/anger/.DS_Store").touch()
    (path / "train/.cache").mkdir()
    assert len(open_folder(path, "train")) == 2
    (path / "train/anger/notes.txt").touch()
    (path / "train/anger/deeper").mkdir()
    (path / "train/stray.jpg").write_bytes(jpeg(0))
    with pytest.raises(DatasetError, match="folder/train has 3 unusable entries"):
        open_folder(path, "train")
    dataset = open_folder(path, "train", skip_bad=True)
    assert len(dataset) == 2
    assert {fault.path.rsplit("/", 1)[1] for fault in dataset.skipped} == {"notes.txt", "deeper", "stray.jpg"}


def test_suffixes_in_capitals_are_images(tmp_path, make_folders):
    path = make_folders(tmp_path, {"train/anger": 1})
    (path / "train/anger/0.jpg").rename(path / "train/anger/0.JPG")
    assert len(open_folder(path, "train")) == 1


@pytest.mark.parametrize("folder", ["train/bored", "test/bored"])
def test_a_folder_that_is_no_expression_is_refused(tmp_path, make_folders, folder):
    path = make_folders(tmp_path, {"train/anger": 1, folder: 1})
    with pytest.raises(DatasetError, match=f"{folder} is no expression"):
        open_folder(path, "train")


def test_two_folders_of_one_expression_are_refused(tmp_path, make_folders):
    path = make_folders(tmp_path, {"train/anger": 1, "train/angry": 1})
    with pytest.raises(DatasetError, match="two folders hold anger"):
        open_folder(path, "train")


def test_a_split_under_another_name_is_not_guessed(tmp_path, make_folders):
    path = make_folders(tmp_path, {"train/anger": 1, "val/anger": 1})
    with pytest.raises(DatasetError, match=r"has no folder valid.*found train, val.*name the folders"):
        open_folder(path, "valid")
    with pytest.raises(DatasetError, match="no such folder"):
        open_folder(path / "absent", "valid")


def test_a_split_without_a_picture_is_refused(tmp_path, make_folders):
    path = make_folders(tmp_path, {"train/anger": 0})
    with pytest.raises(DatasetError, match="folder/train has no usable face"):
        open_folder(path, "train")
