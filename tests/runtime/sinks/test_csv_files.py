"""Tables of faces and of groups."""

from __future__ import annotations

import csv
import io
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsrfer.core.errors import UsageError
from fsrfer.runtime.sinks import FaceCsvSink, GroupCsvSink, SinkError
from fsrfer.runtime.sinks.csv_files import FACE_COLUMNS, GROUP_COLUMNS


def rows_of(path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, strict=True))


def test_a_face_is_a_row(tmp_path, make_result):
    path = tmp_path / "faces.csv"
    with FaceCsvSink(path) as sink:
        sink.write(make_result([], labels=("neutral", "anger")))
        sink.write(
            make_result(
                [(10, 10, 30, 34.126), (40, 20, 60, 44)], index=7, time_s=0.28, labels=("neutral", "anger"), ids=[3, 4]
            )
        )
        sink.write(make_result(index=8, labels=("neutral", "anger")))
    first, second, untracked = rows_of(path)
    assert first == {
        "source": "clip.mp4",
        "frame": "7",
        "time_s": "0.28",
        "clock": "stream",
        "x0": "10.0",
        "y0": "10.0",
        "x1": "30.0",
        "y1": "34.13",
        "detection_score": "0.8",
        "face_size_px": "24.0",
        "label": "anger",
        "confidence": "0.9",
        "abstained": "false",
        "track_id": "3",
        "track_age_s": "1.25",
        "is_detected": "true",
        "was_read": "false",
        "probability_neutral": "0.1",
        "probability_anger": "0.9",
    }
    assert second["track_id"] == "4"
    assert [untracked[column] for column in FACE_COLUMNS[-4:]] == [""] * 4


def test_a_window_is_a_row(tmp_path, make_result, make_window):
    path = tmp_path / "groups.csv"
    with GroupCsvSink(path) as sink:
        sink.write(make_result())
        sink.write_window(make_window())
        sink.write_window(
            make_window(1, people=None, faces_per_frame=None, shares=None, margin=None, is_suppressed=True)
        )
    said, suppressed = rows_of(path)
    assert list(said) == [
        *GROUP_COLUMNS,
        *("share_neutral", "share_happiness", "margin_neutral", "margin_happiness"),
    ]
    assert [said[column] for column in ("people", "share_happiness", "margin_neutral")] == ["3", "0.75", "0.125"]
    assert [suppressed[column] for column in ("people", "share_happiness", "suppressed")] == ["", "", "true"]


def test_lines_end_as_the_standard_says(tmp_path, make_result):
    path = tmp_path / "faces.csv"
    with FaceCsvSink(path) as sink:
        sink.write(make_result([(0, 0, 9, 9)] * 3))
    data = path.read_bytes()
    assert data.count(b"\r\n") == data.count(b"\n") == 4


def test_a_face_without_numbers_has_empty_cells(tmp_path, make_result):
    path = tmp_path / "faces.csv"
    with FaceCsvSink(path) as sink:
        sink.write(make_result(unreadable=[0]))
    (row,) = rows_of(path)
    assert (row["label"], row["confidence"], row["probability_neutral"]) == ("unknown", "0.0", "")
    assert "nan" not in path.read_text().lower()


def test_a_table_goes_on_where_the_run_before_ended(tmp_path, make_result):
    path = tmp_path / "faces.csv"
    for run in range(3):
        with FaceCsvSink(path) as sink:
            sink.write(make_result(index=run))
    assert [row["frame"] for row in rows_of(path)] == ["0", "1", "2"]


def test_a_table_that_is_truncated_while_it_is_written_has_its_head_again(tmp_path, make_result):
    path = tmp_path / "faces.csv"
    with FaceCsvSink(path) as sink:
        sink.write(make_result(index=0))
        os.truncate(path, 0)
        sink.write(make_result(index=1))
        sink.write(make_result(index=2))
    assert [row["frame"] for row in rows_of(path)] == ["1", "2"]


def test_a_pipe_has_one_head(tmp_path, make_result):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with FaceCsvSink(path) as sink:
        for index in range(3):
            sink.write(make_result(index=index))
    lines = os.read(reader, 65536).decode().splitlines()
    os.close(reader)
    assert [line.split(",")[1] for line in lines] == ["frame", "0", "1", "2"]


def test_a_torn_row_spoils_no_other(tmp_path, make_result):
    path = tmp_path / "faces.csv"
    with FaceCsvSink(path) as sink:
        sink.write(make_result(index=1))
        sink.write(make_result(index=2))
    path.write_bytes(path.read_bytes()[:-20])
    with FaceCsvSink(path) as sink:
        sink.write(make_result(index=3))
    assert [row["frame"] for row in rows_of(path)] == ["1", "2", "3"]


def test_a_row_that_is_torn_inside_a_quoted_name_spoils_no_other(tmp_path, make_result):
    path = tmp_path / "faces.csv"
    with FaceCsvSink(path) as sink:
        sink.write(make_result(source="hall, left", index=1))
        size = path.stat().st_size
        sink.write(make_result(source="hall, left", index=2))
    path.write_bytes(path.read_bytes()[: size + 6])
    with FaceCsvSink(path) as sink:
        sink.write(make_result(source="hall, left", index=3))
    assert [(row["source"], row["frame"]) for row in rows_of(path)] == [
        ("hall, left", "1"),
        ("hall,", None),
        ("hall, left", "3"),
    ]


def test_a_table_of_another_model_is_left_alone(tmp_path, make_result):
    path = tmp_path / "faces.csv"
    with FaceCsvSink(path) as sink:
        sink.write(make_result(labels=("neutral", "anger")))
    before = path.read_bytes()
    with FaceCsvSink(path) as sink, pytest.raises(SinkError, match="was begun with other columns"):
        sink.write(make_result(labels=("neutral", "joy")))
    assert path.read_bytes() == before


def test_a_file_that_is_no_such_table_is_left_alone(tmp_path, make_window):
    path = tmp_path / "accounts.csv"
    path.write_text("name,money\n")
    with pytest.raises(UsageError, match="holds something else"), FaceCsvSink(path):
        pass
    with GroupCsvSink(tmp_path / "groups.csv") as sink:
        sink.write_window(make_window())
    with pytest.raises(UsageError, match="holds something else"), FaceCsvSink(tmp_path / "groups.csv"):
        pass
    assert path.read_text() == "name,money\n"


@settings(deadline=None)
@given(
    name=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    label=st.text("abc =+-@\"',;", min_size=1),
)
def test_any_names_come_back_and_none_is_a_formula(tmp_path_factory, make_result, name, label):
    path = tmp_path_factory.mktemp("table") / "faces.csv"
    with FaceCsvSink(path) as sink:
        sink.write(make_result(source=name, labels=("neutral", label), label=1))
    head, row = csv.reader(io.StringIO(path.read_bytes().decode("utf-8"), newline=""), strict=True)
    assert row[0] in (name, f"'{name}")
    assert dict(zip(head, row, strict=True))["label"] in (label, f"'{label}")
    for cell in (*head, row[0], row[10]):
        assert not cell.lstrip().startswith(("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20"))
        assert not cell.startswith(("\t", "\r", "\n"))


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\uff1d1"])
def test_names_that_spreadsheets_would_run_are_made_inert(tmp_path, make_result, name):
    path = tmp_path / "faces.csv"
    with FaceCsvSink(path) as sink:
        sink.write(make_result(source=name))
    assert rows_of(path)[0]["source"] == f"'{name}"


def test_a_name_that_utf_8_cannot_hold_is_escaped(tmp_path, make_result):
    path = tmp_path / "faces.csv"
    with FaceCsvSink(path) as sink:
        sink.write(make_result(source=b"caf\xe9.mp4".decode("utf-8", "surrogateescape")))
    assert rows_of(path)[0]["source"] == "caf\\udce9.mp4"
