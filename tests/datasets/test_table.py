"""Faces in a CSV list."""

from __future__ import annotations

import numpy as np
import pytest

from fsrfer.core.errors import DatasetError
from fsrfer.datasets.table import open_table


@pytest.fixture
def write(tmp_path, jpeg):
    for number in range(5):
        (tmp_path / "images").mkdir(exist_ok=True)
        (tmp_path / f"images/{number}.jpg").write_bytes(jpeg(number))

    def write_lines(*lines: str, encoding: str = "utf-8"):
        (tmp_path / "faces.csv").write_text("\n".join(lines) + "\n", encoding=encoding)
        return tmp_path / "faces.csv"

    return write_lines


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_rows_of_a_split_with_attributes(write, encoding):
    path = write(
        "file,label,split,age",
        "images/0.jpg,happy,train,20-39",
        "images/1.jpg,Anger,test,",
        "",
        " images/2.jpg , neutral , train , 70+",
        encoding=encoding,
    )
    dataset = open_table(path, "train")
    assert dataset.labels == ("neutral", "happiness", "anger")
    np.testing.assert_array_equal(dataset.label_indices, [1, 0])
    assert [dataset[index].attributes for index in range(2)] == [{"age": "20-39"}, {"age": "70+"}]
    assert dataset[1].sample_id == "images/2.jpg"
    assert "every-row" not in dataset.dataset_id


def test_without_a_split_every_row_is_of_the_split_that_is_asked_for_and_the_identity_says_so(write):
    path = write("label,file", "anger,images/0.jpg", "fear,images/1.jpg")
    for split in ("train", "test"):
        dataset = open_table(path, split)
        assert len(dataset) == 2
        assert dataset.dataset_id.startswith(f"csv/{split}?split=every-row&faces=2&")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("images/1.jpg,bored,train", "unknown expression 'bored'"),
        ("images/1.jpg,,train", "unknown expression ''"),
        ("images/1.jpg,anger,val", "split 'val' is none of"),
        ("images/1.jpg,anger", "split '' is none of"),
        (",anger,train", "names no file"),
        ("images/0.jpg,anger,test", "images/0.jpg is listed twice"),
        ("images/./0.jpg,anger,test", "images/0.jpg is listed twice"),
        ("images/1.jpg,anger,train,x", "more fields than the header"),
        ("images/9.jpg,anger,train", "is missing"),
        ("images,anger,train", "cannot be read"),
    ],
)
def test_unusable_rows_are_faults(write, row, reason):
    path = write("file,label,split", "images/0.jpg,anger,train", row)
    with pytest.raises(DatasetError, match="csv/train has 1 unusable entry") as caught:
        open_table(path, "train")
    assert reason in str(caught.value)
    assert len(open_table(path, "train", skip_bad=True)) == 1


@pytest.mark.parametrize("header", ["", "path,label", "file", "file,label,file"])
def test_other_columns_are_refused(write, header):
    with pytest.raises(DatasetError, match="has other columns"):
        open_table(write(header, "images/0.jpg,anger"), "train")


def test_files_that_are_no_list_are_refused(tmp_path):
    (tmp_path / "image.csv").write_bytes(b"\xff\xd8\xff")
    for path in (tmp_path / "absent.csv", tmp_path, tmp_path / "image.csv"):
        with pytest.raises(DatasetError, match="cannot be read"):
            open_table(path, "train")
