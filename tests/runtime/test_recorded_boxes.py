"""Boxes that were found before."""

from __future__ import annotations

import json

import numpy as np
import pytest

from fsrfer.core.errors import DetectorError
from fsrfer.runtime.frame import Clock, Frame
from fsrfer.runtime.recorded_boxes import RecordedBoxes


def frame(index: int, source: str = "clip.mp4") -> Frame:
    return Frame(source, index, index / 12, Clock.STREAM, np.zeros((60, 80, 3), np.uint8))


def write(path, *lines: object):
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines) + "\n")
    return path


def line(index: int, *boxes: list[float], **more: object) -> dict[str, object]:
    return {"frame": index, "faces": [{"box": box} for box in boxes], **more}


def test_each_frame_has_its_boxes(tmp_path):
    path = write(tmp_path / "boxes.jsonl", line(0, [1, 2, 11, 12]), line(1), line(2, [0, 0, 5, 5], [9, 9, 20, 20.5]))
    recorded = RecordedBoxes(path)
    np.testing.assert_array_equal(recorded.boxes_of(frame(0)).boxes, [[1, 2, 11, 12]])
    assert len(recorded.boxes_of(frame(1))) == 0
    assert recorded.boxes_of(frame(2)).boxes[1, 3] == 20.5
    assert recorded.boxes_of(frame(2)).scores.tolist() == [1.0, 1.0]


def test_scores_are_kept(tmp_path):
    face = {"box": [0, 0, 9, 9], "detection_score": 0.75}
    recorded = RecordedBoxes(write(tmp_path / "boxes.jsonl", {"frame": 0, "faces": [face]}))
    assert recorded.boxes_of(frame(0)).scores.tolist() == [0.75]


def test_a_file_about_one_source_serves_it_under_any_name(tmp_path):
    recorded = RecordedBoxes(write(tmp_path / "boxes.jsonl", line(0, [1, 2, 3, 4], source="old/place.mp4")))
    assert len(recorded.boxes_of(frame(0, "new/place.mp4"))) == 1


def test_a_file_about_several_sources_keeps_them_apart(tmp_path):
    lines = (line(0, [1, 2, 3, 4], source="a"), line(0, source="b"))
    recorded = RecordedBoxes(write(tmp_path / "boxes.jsonl", *lines))
    assert [len(recorded.boxes_of(frame(0, source))) for source in "ab"] == [1, 0]
    with pytest.raises(DetectorError, match="no line for frame 0 of c"):
        recorded.boxes_of(frame(0, "c"))


def test_a_frame_without_a_line_is_no_frame_without_faces(tmp_path):
    recorded = RecordedBoxes(write(tmp_path / "boxes.jsonl", line(0)))
    with pytest.raises(DetectorError, match="no line for frame 1 of clip"):
        recorded.boxes_of(frame(1))


@pytest.mark.parametrize(
    "bad",
    [
        "{",
        "[]",
        "{}",
        '{"frame": 0}',
        line(0, [1, 2, 3]),
        line(0, [5, 5, 1, 1]),
        {"frame": 0, "faces": [{"box": None}]},
    ],
    ids=["no JSON", "a list", "nothing", "no faces", "three numbers", "inside out", "no box"],
)
def test_a_bad_line_is_named(tmp_path, bad):
    with pytest.raises(DetectorError, match="line 2 is not a frame"):
        RecordedBoxes(write(tmp_path / "boxes.jsonl", line(0), bad))


def test_an_absent_file_is_named(tmp_path):
    with pytest.raises(DetectorError, match="nowhere"):
        RecordedBoxes(tmp_path / "nowhere.jsonl")


def test_lines_about_something_else_are_left_out(tmp_path):
    path = tmp_path / "boxes.jsonl"
    lines = ['{"type": "window", "source": "a"}', '{"frame": 0, "faces": []}', '{"type": "track"}']
    path.write_text("\n".join(lines), encoding="utf-8")
    frame = Frame("a", 0, 0.0, Clock.STREAM, np.zeros((4, 4, 3), np.uint8))
    assert len(RecordedBoxes(path).boxes_of(frame)) == 0
