"""Data sets by name."""

from __future__ import annotations

import pytest

from fsrfer.core.errors import DatasetError, UsageError
from fsrfer.datasets import SPEC_FORMS, SPLITS, FaceSample, open_dataset


@pytest.fixture
def places(tmp_path, make_rafdb, make_folders, ferplus_rows, write_ferplus_lists, write_ferplus_arrays, jpeg):
    """One small data set of each kind, by prefix."""
    rows = ferplus_rows("PrivateTest", 3)
    (tmp_path / "listed").mkdir()
    (tmp_path / "listed/0.jpg").write_bytes(jpeg(0))
    (tmp_path / "listed/faces.csv").write_text("file,label\n0.jpg,anger\n")
    rafdb = make_rafdb(tmp_path / "rafdb", {"test_0001.jpg": 1, "train_00001.jpg": 2})
    return {
        "rafdb": rafdb,
        "rafdb-original": rafdb,
        "ferplus": write_ferplus_arrays(tmp_path / "arrays", "test", rows),
        "folder": make_folders(tmp_path / "folders", {"test/anger": 2}),
        "csv": tmp_path / "listed/faces.csv",
    }


@pytest.mark.parametrize("prefix", ["rafdb", "rafdb-original", "ferplus", "folder", "csv"])
def test_every_prefix_opens_its_data_set(places, prefix):
    calls = []
    dataset = open_dataset(f"{prefix}:{places[prefix]}", "test", on_progress=lambda *call: calls.append(call))
    assert dataset.split == "test"
    assert len(dataset) == len(dataset.label_indices) > 0
    assert isinstance(dataset[0], FaceSample)
    assert dataset.dataset_id.startswith(f"{dataset.name}/test?")
    assert calls[-1][0] == calls[-1][1] > 0


def test_both_variants_of_rafdb_are_told_apart(places):
    aligned = open_dataset(f"rafdb:{places['rafdb']}", "test")
    original = open_dataset(f"rafdb-original:{places['rafdb']}", "test")
    assert (aligned[0].image.shape, original[0].image.shape) == ((20, 20, 3), (60, 60, 3))


def test_skipping_is_passed_on(places):
    (places["folder"] / "test/anger/0.jpg").write_bytes(b"")
    with pytest.raises(DatasetError, match="unusable"):
        open_dataset(f"folder:{places['folder']}", "test")
    assert len(open_dataset(f"folder:{places['folder']}", "test", skip_bad=True)) == 1


@pytest.mark.parametrize(
    ("prefix", "likeness"),
    [
        ("rafdb", "looks like RAF-DB: use rafdb:"),
        ("ferplus", r"looks like FER\+: use ferplus:"),
        ("folder", "looks like folders of images: use folder:"),
        ("csv", "looks like a list of files: use csv:"),
    ],
)
def test_a_missing_prefix_is_told_and_never_guessed(places, prefix, likeness):
    with pytest.raises(UsageError, match=likeness) as caught:
        open_dataset(str(places[prefix]), "test")
    suggestion = caught.value.fix.rsplit("use ", 1)[1]
    assert len(open_dataset(suggestion, "test")) > 0


def test_the_folder_around_rafdb_and_the_official_lists_are_recognised_too(
    tmp_path, make_rafdb, ferplus_rows, write_ferplus_lists
):
    make_rafdb(tmp_path / "RAF-DB/basic", {"test_0001.jpg": 1})
    with pytest.raises(UsageError, match=r"use rafdb:.*/RAF-DB/basic"):
        open_dataset(str(tmp_path / "RAF-DB"), "test")
    write_ferplus_lists(tmp_path / "fer", ferplus_rows("PrivateTest", 3))
    with pytest.raises(UsageError, match="use ferplus:"):
        open_dataset(str(tmp_path / "fer"), "test")


@pytest.mark.parametrize("spec", ["", "nothing", "rafdb", "rafdb:", "affectnet:/data", ":x", "/no/such/folder", "csv"])
def test_what_names_no_data_set_is_answered_with_all_forms(spec):
    with pytest.raises(UsageError, match="names no data set") as caught:
        open_dataset(spec, "test")
    assert all(form in str(caught.value) for form in SPEC_FORMS)


def test_a_path_may_hold_colons_and_a_tilde(tmp_path, monkeypatch, make_folders):
    make_folders(tmp_path / "a:b", {"test/anger": 1})
    monkeypatch.setenv("HOME", str(tmp_path))
    assert len(open_dataset(f"folder:{tmp_path}/a:b", "test")) == 1
    assert len(open_dataset("folder:~/a:b", "test")) == 1


@pytest.mark.parametrize("split", ["", "Train", "val", "all"])
def test_an_unknown_split_is_refused_before_anything_is_read(split):
    with pytest.raises(UsageError, match=f"expected one of {', '.join(SPLITS)}"):
        open_dataset("folder:/no/such/folder", split)


def test_procedural_faces_take_their_options():
    dataset = open_dataset("procedural?seed=3&count=9&size=20", "valid")
    assert (len(dataset), dataset.split, dataset[0].image.shape[:2]) == (9, "valid", (20, 20))
    assert dataset.dataset_id != open_dataset("procedural?seed=4&count=9&size=20", "valid").dataset_id
    assert len(open_dataset("procedural", "test")) == len(open_dataset("procedural?", "test")) > 9


def test_the_form_that_is_shown_can_be_typed():
    assert len(open_dataset(SPEC_FORMS[-1], "train")) == 6000


@pytest.mark.parametrize("options", ["sed=1", "seed=x", "seed=-1", "count=1.5", "size=", "seed=1&seed=2", "seed", "=3"])
def test_unusable_options_of_procedural_faces_are_refused(options):
    with pytest.raises(UsageError, match="unusable option"):
        open_dataset(f"procedural?{options}", "test")
