"""RAF-DB in the layout of its release."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from fsrfer.core.errors import DatasetError
from fsrfer.core.labels import RAFDB_LABELS
from fsrfer.datasets.rafdb import LIST_FILE, Variant, open_rafdb

LABELS = {f"train_{number:05}.jpg": number % 7 + 1 for number in range(1, 71)} | {
    f"test_{number:04}.jpg": number % 7 + 1 for number in range(1, 8)
}


def names(dataset):
    return [dataset[index].sample_id for index in range(len(dataset))]


def test_faces_and_labels_of_the_aligned_pictures(tmp_path, make_rafdb):
    path = make_rafdb(tmp_path / "RAF-DB", LABELS, attributes=True)
    dataset = open_rafdb(path, "test")
    assert (dataset.name, dataset.split, dataset.labels) == ("rafdb", "test", RAFDB_LABELS)
    assert names(dataset) == [f"test_{number:04}.jpg" for number in range(1, 8)]
    np.testing.assert_array_equal(dataset.label_indices, [1, 2, 3, 4, 5, 6, 0])
    assert dataset.soft_labels is None
    sample = dataset[6]
    assert RAFDB_LABELS[sample.label] == "surprise"  # code 1
    assert sample.attributes == {"gender": "female", "race": "Asian", "age": "40-69"}
    bgr = cv2.imread(str(path / "Image/aligned/test_0007_aligned.jpg"))
    np.testing.assert_array_equal(sample.image, bgr[..., ::-1])


def test_a_tenth_of_each_expression_is_held_out_and_nothing_is_lost(tmp_path, make_rafdb):
    path = make_rafdb(tmp_path, LABELS)
    train, valid = open_rafdb(path, "train"), open_rafdb(path, "valid")
    assert set(names(train)) | set(names(valid)) == {name for name in LABELS if name.startswith("train")}
    assert not set(names(train)) & set(names(valid))
    np.testing.assert_array_equal(np.bincount(valid.label_indices), [1] * 7)
    # Fixed for good: a face that moved from training to validation would spoil every comparison with older models.
    assert names(valid) == [f"train_{number:05}.jpg" for number in (10, 16, 35, 40, 43, 55, 60)]


def test_the_held_out_faces_do_not_depend_on_the_order_of_the_list_or_on_missing_pictures(tmp_path, make_rafdb):
    one = make_rafdb(tmp_path / "one", LABELS)
    two = make_rafdb(tmp_path / "two", dict(reversed(LABELS.items())))
    before = set(names(open_rafdb(one, "valid")))
    assert set(names(open_rafdb(two, "valid"))) == before
    (two / "Image/aligned" / f"{min(before)[:-4]}_aligned.jpg").unlink()
    assert set(names(open_rafdb(two, "valid", skip_bad=True))) == before - {min(before)}


def test_original_pictures_are_cut_to_their_boxes(tmp_path, make_rafdb):
    path = make_rafdb(tmp_path, {"test_0001.jpg": 1}, boxes=True)
    photo = cv2.imread(str(path / "Image/original/test_0001.jpg"))[..., ::-1]
    tight = open_rafdb(path, "test", variant=Variant.ORIGINAL, margin=0.0)
    np.testing.assert_array_equal(tight[0].image, photo[12:32, 10:30])
    wide = open_rafdb(path, "test", variant=Variant.ORIGINAL)
    np.testing.assert_array_equal(wide[0].image, photo[10:34, 8:32])
    assert "crop=box+0.1&" in wide.dataset_id
    assert tight.dataset_id != wide.dataset_id


def test_without_boxes_the_whole_photograph_is_the_face_and_the_identity_says_so(tmp_path, make_rafdb):
    path = make_rafdb(tmp_path, {"test_0001.jpg": 1})
    dataset = open_rafdb(path, "test", variant=Variant.ORIGINAL)
    assert dataset[0].image.shape == (60, 60, 3)
    assert "variant=original&crop=none&" in dataset.dataset_id


@pytest.mark.parametrize(
    ("box", "reason"),
    [
        (None, "is missing"),
        ("1 2 3", "does not hold four numbers"),
        ("1 2 3 x", "could not convert"),
        ("nan 0 9 9", "does not hold four numbers"),
        ("30 12 10 32", "holds an empty box"),
        ("100 100 120 120", "box outside the frame"),
    ],
)
def test_unusable_boxes_are_faults(tmp_path, make_rafdb, box, reason):
    path = make_rafdb(tmp_path, {"test_0001.jpg": 1, "test_0002.jpg": 2}, boxes=True)
    file = path / "Annotation/boundingbox/test_0002_boundingbox.txt"
    if box is None:
        file.unlink()
    else:
        file.write_text(box)
    with pytest.raises(DatasetError, match="rafdb/test has 1 unusable entry") as caught:
        open_rafdb(path, "test", variant=Variant.ORIGINAL)
    assert reason in str(caught.value)
    assert len(open_rafdb(path, "test", variant=Variant.ORIGINAL, skip_bad=True)) == 1


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("test_0003.jpg 8", "label 8 is not one of 1"),
        ("test_0003.jpg 0", "label 0 is not one of 1"),
        ("test_0003.jpg happy", "label happy is not one of"),
        ("test_0003.jpg", "is not a file name and a label"),
        ("test_0001.jpg 2", "test_0001.jpg is listed twice"),
        ("other_0001.jpg 2", "begins neither with train_ nor with test_"),
        ("test_0009.jpg 2", "is missing"),
    ],
)
def test_unusable_lines_are_faults(tmp_path, make_rafdb, line, reason):
    path = make_rafdb(tmp_path, {"test_0001.jpg": 1, "test_0002.jpg": 2})
    with (path / LIST_FILE).open("a") as stream:
        stream.write(f"\n{line}\n")
    with pytest.raises(DatasetError, match="rafdb/test has 1 unusable entry") as caught:
        open_rafdb(path, "test")
    assert reason in str(caught.value)
    dataset = open_rafdb(path, "test", skip_bad=True)
    assert names(dataset) == ["test_0001.jpg", "test_0002.jpg"]
    assert len(dataset.skipped) == 1


def test_an_unknown_attribute_code_is_a_fault(tmp_path, make_rafdb):
    path = make_rafdb(tmp_path, {"test_0001.jpg": 1}, attributes=True)
    (path / "Annotation/manual/test_0001_manu_attri.txt").write_text("1 1\n" * 5 + "0\n7\n0\n")
    with pytest.raises(DatasetError, match="unknown race code 7"):
        open_rafdb(path, "test")


def test_other_folders_are_refused_with_the_right_one(tmp_path, make_rafdb):
    with pytest.raises(DatasetError, match="no such folder"):
        open_rafdb(tmp_path / "absent", "test")
    path = make_rafdb(tmp_path / "RAF-DB/basic", {"test_0001.jpg": 1})
    with pytest.raises(DatasetError, match="is not RAF-DB") as caught:
        open_rafdb(path.parent, "test")
    assert caught.value.fix == f"name {path}"


def test_pictures_that_are_still_packed_are_told(tmp_path, make_rafdb):
    path = make_rafdb(tmp_path, {"test_0001.jpg": 1})
    (path / "Image/aligned").rename(path / "Image/elsewhere")
    (path / "Image/aligned.zip").touch()
    with pytest.raises(DatasetError, match="aligned is missing") as caught:
        open_rafdb(path, "test")
    assert caught.value.fix == f"unzip {path}/Image/aligned.zip -d {path}/Image"
