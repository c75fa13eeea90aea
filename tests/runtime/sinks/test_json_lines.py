"""JSON lines."""

from __future__ import annotations

import io
import json

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsrfer.runtime.frame import Clock
from fsrfer.runtime.sinks import JsonLinesSink, frame_record, output_schema


@pytest.fixture(scope="module")
def validator():
    jsonschema.Draft202012Validator.check_schema(output_schema())
    return jsonschema.Draft202012Validator(output_schema())


class CountingStream(io.StringIO):
    def __init__(self, *, is_terminal=False):
        super().__init__()
        self.flushes = 0
        self._is_terminal = is_terminal

    def flush(self):
        self.flushes += 1

    def isatty(self):
        return self._is_terminal


def test_a_line_says_everything_about_a_frame(make_result, validator):
    stream = io.StringIO()
    with JsonLinesSink(stream) as sink:
        sink.write(make_result([(10, 10, 30, 34.126)], index=7, time_s=0.28, labels=("neutral", "anger")))
    (line,) = stream.getvalue().splitlines()
    record = json.loads(line)
    validator.validate(record)
    assert record == {
        "schema_version": 1,
        "source": "clip.mp4",
        "frame": 7,
        "time_s": 0.28,
        "clock": "stream",
        "width": 120,
        "height": 90,
        "faces": [
            {
                "box": [10.0, 10.0, 30.0, 34.13],
                "detection_score": 0.8,
                "face_size_px": 24.0,
                "label": "anger",
                "confidence": 0.9,
                "abstained": False,
                "probabilities": {"neutral": 0.1, "anger": 0.9},
            }
        ],
    }


def test_no_faces_face_crops_and_abstaining_are_valid_too(make_result, validator):
    empty, crop = frame_record(make_result([])), frame_record(make_result(None, abstained=True))
    validator.validate(empty)
    validator.validate(crop)
    assert empty["faces"] == []
    assert crop["faces"][0]["detection_score"] is None
    assert crop["faces"][0]["box"] == [0.0, 0.0, 120.0, 90.0]
    assert (crop["faces"][0]["label"], crop["faces"][0]["abstained"]) == ("unknown", True)


def test_the_schema_describes_every_field(make_result):
    schema, record = output_schema(), frame_record(make_result())
    assert list(schema["properties"]) == schema["required"] == list(record)
    face = schema["$defs"]["face"]
    assert list(face["properties"]) == face["required"] == list(record["faces"][0])


@given(name=st.text())
def test_any_name_makes_one_line_of_ascii(make_result, name):
    stream = io.StringIO()
    JsonLinesSink(stream).write(make_result(source=name))
    (line,) = stream.getvalue().splitlines()
    assert line.isascii()
    assert json.loads(line)["source"] == name


def test_lines_go_out_at_once_where_somebody_waits(make_result):
    cases = [
        (CountingStream(), Clock.STREAM, False, 0),
        (CountingStream(is_terminal=True), Clock.STREAM, False, 1),
        (CountingStream(), Clock.WALL, False, 1),
        (CountingStream(), Clock.STREAM, True, 1),
    ]
    for stream, clock, flush_each, flushes in cases:
        JsonLinesSink(stream, flush_each=flush_each).write(make_result(clock=clock))
        assert stream.flushes == flushes
