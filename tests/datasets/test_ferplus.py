"""FER+ in both of its forms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fsrfer.core.errors import DatasetError, UsageError
from fsrfer.core.labels import FERPLUS_LABELS
from fsrfer.datasets.ferplus import has_majority, open_ferplus

COUNTS = {"train": 26_420, "valid": 3_457, "test": 3_519}


@pytest.mark.parametrize("split", COUNTS)
def test_the_development_data_has_the_published_counts(shared, split):
    dataset = open_ferplus(shared / "data" / "ferplus", split)
    assert len(dataset) == COUNTS[split]
    assert dataset.labels == FERPLUS_LABELS
    assert dataset.images.shape == (COUNTS[split], 48, 48)
    assert set(np.unique(dataset.label_indices)) == set(range(8))
    np.testing.assert_allclose(dataset.soft_labels.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(dataset.soft_labels.argmax(axis=1), dataset.label_indices)
    assert dataset.skipped == ()


@given(hnp.arrays(np.uint8, st.tuples(st.integers(0, 20), st.just(10)), elements=st.integers(0, 10)))
def test_a_majority_exceeds_the_votes_against(counts):
    for row, kept in zip(counts.tolist(), has_majority(counts), strict=True):
        assert kept == (max(row[:8]) > row[8] + row[9])


def test_votes_do_not_overflow():
    assert not has_majority(np.array([[0, 200, 0, 0, 0, 0, 0, 0, 200, 100]], np.uint8))[0]


def test_labels_and_soft_labels_follow_the_votes(tmp_path, ferplus_rows, write_ferplus_arrays):
    rows = ferplus_rows("Training", 4)
    rows[1][3][:] = [5, 0, 5, 0, 0, 0, 0, 0, 0, 0]  # a tie: the first in the order of FER+
    rows[2][3][:] = [0, 4, 0, 0, 0, 0, 0, 0, 3, 1]  # as many votes against as for
    rows[3][3][:] = [0, 0, 0, 0, 0, 6, 2, 0, 1, 1]
    dataset = open_ferplus(write_ferplus_arrays(tmp_path, "train", rows), "train")
    assert [dataset[index].sample_id for index in range(3)] == ["fer0000000.png", "fer0000001.png", "fer0000003.png"]
    np.testing.assert_array_equal(dataset.label_indices, [0, 0, 5])
    np.testing.assert_allclose(dataset[1].soft_label, [0.5, 0, 0.5, 0, 0, 0, 0, 0])
    np.testing.assert_allclose(dataset[2].soft_label, [0, 0, 0, 0, 0, 0.75, 0.25, 0])
    np.testing.assert_array_equal(dataset[2].image, rows[3][2])


def test_both_forms_of_one_content_are_the_same_data_set(
    tmp_path, ferplus_rows, write_ferplus_arrays, write_ferplus_lists
):
    usages = {"train": "Training", "valid": "PublicTest", "test": "PrivateTest"}
    rows = {split: ferplus_rows(usage, 12, 100 * number) for number, (split, usage) in enumerate(usages.items())}
    lists = write_ferplus_lists(tmp_path / "lists", [row for part in rows.values() for row in part])
    for split in usages:
        arrays = write_ferplus_arrays(tmp_path / "arrays", split, rows[split])
        from_lists, from_arrays = open_ferplus(lists, split), open_ferplus(arrays, split)
        assert from_lists.dataset_id == from_arrays.dataset_id
        assert from_lists.dataset_id.startswith(f"ferplus/{split}?votes=majority&faces=12&sha256=")
        np.testing.assert_array_equal(from_lists.images, from_arrays.images)


def test_pictures_that_cross_the_splits_stay_in_the_one_that_is_looked_at_last(
    tmp_path, ferplus_rows, write_ferplus_lists
):
    def renamed(row, usage, name):
        return (usage, name, row[2], row[3])

    test, valid = ferplus_rows("PrivateTest", 3), ferplus_rows("PublicTest", 3, 10)
    train = ferplus_rows("Training", 3, 20)
    rows = [
        *train,
        renamed(test[0], "Training", "leak-test.png"),
        renamed(valid[0], "Training", "leak-valid.png"),
        renamed(train[1], "Training", "repeat.png"),
        *valid,
        renamed(test[1], "PublicTest", "leak.png"),
        *test,
        renamed(test[2], "PrivateTest", "repeat-test.png"),
    ]
    path = write_ferplus_lists(tmp_path, rows)

    def names(split):
        dataset = open_ferplus(path, split)
        return [dataset[index].sample_id for index in range(len(dataset))]

    assert names("train") == [row[1] for row in train]
    assert names("valid") == [row[1] for row in valid]
    assert names("test") == [row[1] for row in test] + ["repeat-test.png"]


def test_pictures_without_a_name_are_no_faces(tmp_path, ferplus_rows, write_ferplus_lists):
    rows = ferplus_rows("Training", 3)
    rows[1] = ("Training", "", *rows[1][2:])
    assert len(open_ferplus(write_ferplus_lists(tmp_path, rows), "train")) == 2


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("PIXELS", "1 2 3", "3 pixels instead of 2304"),
        ("PIXELS", " ".join(["1"] * 2303 + ["256"]), "pixel value '256'"),
        ("PIXELS", " ".join(["1"] * 2303 + ["-1"]), "pixel value '-1'"),
        ("PIXELS", " ".join(["1"] * 2303 + ["1.5"]), "pixel value '1.5'"),
        ("VOTES", "x", "vote count 'x'"),
        ("NAME", "fer0000000.png", "fer0000000.png occurs twice"),
    ],
)
def test_unusable_rows_are_named_by_line_and_can_be_skipped(
    tmp_path, ferplus_rows, write_ferplus_lists, old, new, reason
):
    rows = ferplus_rows("Training", 3)
    path = write_ferplus_lists(tmp_path, rows)
    pixels, votes = path / "fer2013.csv", path / "fer2013new.csv"
    if old == "PIXELS":
        pixels.write_text(pixels.read_text().replace(" ".join(map(str, rows[1][2].ravel())), new))
    else:
        line = votes.read_text().splitlines()[2]
        votes.write_text(votes.read_text().replace(line, line.replace("7" if old == "VOTES" else rows[1][1], new)))
    with pytest.raises(DatasetError, match=r"ferplus/train has 1 unusable entry.*fer2013new\.csv, line 3") as caught:
        open_ferplus(path, "train")
    assert reason in str(caught.value)
    dataset = open_ferplus(path, "train", skip_bad=True)
    assert len(dataset) == 2
    assert reason in dataset.skipped[0].reason


def test_lists_that_do_not_belong_together_are_refused(tmp_path, ferplus_rows, write_ferplus_lists):
    path = write_ferplus_lists(tmp_path, ferplus_rows("Training", 3))
    votes = path / "fer2013new.csv"
    whole = votes.read_text()
    for broken in (whole.replace("Training,fer0000001", "PublicTest,fer0000001"), whole.rsplit("\n", 2)[0] + "\n"):
        votes.write_text(broken)
        with pytest.raises(DatasetError, match="do not belong together"):
            open_ferplus(path, "train", skip_bad=True)
    pixels = path / "fer2013.csv"
    votes.write_text(whole.replace("Training", "Elsewhere"))
    pixels.write_text(pixels.read_text().replace("Training", "Elsewhere"))
    with pytest.raises(DatasetError, match="difference at line 2"):
        open_ferplus(path, "train")


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"\xff\xfe\x00"])
def test_lists_with_other_columns_are_refused(tmp_path, ferplus_rows, write_ferplus_lists, content):
    path = write_ferplus_lists(tmp_path, ferplus_rows("Training", 3))
    (path / "fer2013.csv").write_bytes(content)
    with pytest.raises(DatasetError, match=r"fer2013\.csv (has other columns|cannot be read)"):
        open_ferplus(path, "train")


def test_a_folder_must_hold_exactly_one_form(tmp_path, ferplus_rows, write_ferplus_lists, write_ferplus_arrays):
    rows = ferplus_rows("Training", 3)
    with pytest.raises(DatasetError, match="no such folder"):
        open_ferplus(tmp_path / "absent", "train")
    with pytest.raises(DatasetError, match="none of them"):
        open_ferplus(tmp_path, "train")
    (tmp_path / "fer2013.csv").touch()
    with pytest.raises(DatasetError, match=r"found fer2013\.csv"):
        open_ferplus(tmp_path, "train")
    write_ferplus_lists(tmp_path, rows)
    write_ferplus_arrays(tmp_path, "train", rows)
    with pytest.raises(DatasetError, match=r"found train\.npz, fer2013\.csv, fer2013new\.csv"):
        open_ferplus(tmp_path, "train")


def test_damaged_array_files_are_refused(tmp_path, ferplus_rows, write_ferplus_arrays):
    file = write_ferplus_arrays(tmp_path, "train", ferplus_rows("Training", 9)) / "train.npz"
    whole = file.read_bytes()
    np.save(tmp_path / "array.npy", np.zeros(3))
    lone_array = (tmp_path / "array.npy").read_bytes()
    damaged = whole[:3000] + b"damage" + whole[3006:]
    for content in (b"", b"text", lone_array, whole[: len(whole) // 2], damaged):
        file.write_bytes(content)
        with pytest.raises(DatasetError, match=r"train\.npz cannot be read"):
            open_ferplus(tmp_path, "train")


@pytest.mark.parametrize(
    "change",
    [
        {"votes": None},
        {"images": np.zeros((3, 48, 47), np.uint8)},
        {"images": np.zeros((3, 48, 48), np.float32)},
        {"votes": np.zeros((3, 8), np.uint8)},
        {"votes": np.zeros((2, 10), np.uint8)},
        {"names": np.arange(3)},
        {"names": np.array("x")},
        {"names": np.array(["a", "b", None], dtype=object)},
    ],
)
def test_array_files_of_other_arrays_are_refused(tmp_path, change):
    arrays = {
        "images": np.zeros((3, 48, 48), np.uint8),
        "votes": np.ones((3, 10), np.uint8),
        "names": np.array(["a", "b", "c"]),
        **change,
    }
    np.savez(tmp_path / "test.npz", **{key: value for key, value in arrays.items() if value is not None})
    with pytest.raises(DatasetError, match=r"test\.npz (cannot be read|has unusable arrays)"):
        open_ferplus(tmp_path, "test")


def test_names_that_occur_twice_are_faults(tmp_path, ferplus_rows, write_ferplus_arrays):
    rows = ferplus_rows("Training", 3)
    rows[2] = ("Training", rows[0][1], *rows[2][2:])
    path = write_ferplus_arrays(tmp_path, "train", rows)
    with pytest.raises(DatasetError, match="occurs twice"):
        open_ferplus(path, "train")
    assert len(open_ferplus(path, "train", skip_bad=True)) == 2


def test_no_usable_face_is_an_error(tmp_path, ferplus_rows, write_ferplus_lists):
    path = write_ferplus_lists(tmp_path, ferplus_rows("Training", 3))
    with pytest.raises(DatasetError, match="ferplus/valid has no usable face"):
        open_ferplus(path, "valid")


def test_progress_ends_at_the_total(tmp_path, ferplus_rows, write_ferplus_lists):
    calls = []
    path = write_ferplus_lists(tmp_path, ferplus_rows("Training", 5))
    open_ferplus(path, "train", on_progress=lambda *call: calls.append(call))
    assert calls == [(5, 5)]


def test_an_unknown_split_is_refused(tmp_path):
    with pytest.raises(UsageError, match="unknown split"):
        open_ferplus(tmp_path, "Training")
