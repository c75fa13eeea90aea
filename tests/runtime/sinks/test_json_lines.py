"""JSON lines."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from fsrfer.core.errors import UsageError
from fsrfer.core.predictions import ExpressionPredictions
from fsrfer.runtime.detection import FaceDetections
from fsrfer.runtime.frame import Clock, Frame
from fsrfer.runtime.groups import GroupWindow
from fsrfer.runtime.results import FaceTracks, FrameResult
from fsrfer.runtime.sinks import JsonLinesFileSink, JsonLinesSink, frame_record, output_schema, window_record
from fsrfer.runtime.sinks.track_events import TrackEvents


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


def test_tracks_are_said_where_faces_are_followed(make_result, validator):
    record = frame_record(make_result(ids=[12], is_detected=False))
    validator.validate(record)
    tracked = {"track_id": 12, "track_age_s": 1.25, "is_detected": False, "was_read": True}
    assert {key: value for key, value in record["faces"][0].items() if key in tracked} == tracked


def test_a_window_is_a_line_of_its_own_type(make_window, validator):
    stream = io.StringIO()
    with JsonLinesSink(stream) as sink:
        sink.write_window(make_window(2))
    record = json.loads(stream.getvalue())
    validator.validate(record)
    assert record == {
        "schema_version": 1,
        "type": "window",
        "source": "hall",
        "start_s": 20.0,
        "end_s": 30.0,
        "clock": "wall",
        "frames": 250,
        "people": 3,
        "faces_per_frame": 2.5,
        "suppressed": False,
        "shares": {"neutral": 0.25, "happiness": 0.75},
        "margin": {"neutral": 0.125, "happiness": 0.125},
    }


def test_a_suppressed_window_says_nothing_about_people(make_window, validator):
    record = window_record(make_window(people=None, faces_per_frame=None, shares=None, margin=None, is_suppressed=True))
    validator.validate(record)
    assert record["suppressed"]
    assert [record[key] for key in ("people", "faces_per_frame", "shares", "margin")] == [None] * 4


def test_a_face_without_numbers_is_unknown(make_result, validator):
    record = frame_record(make_result([(10, 10, 30, 34), (40, 10, 60, 34)], unreadable=[1]))
    validator.validate(record)
    read, unread = record["faces"]
    assert read["label"] == "happiness"
    said = [unread[key] for key in ("label", "confidence", "abstained", "probabilities")]
    assert said == ["unknown", 0.0, True, {}]


def test_no_faces_face_crops_and_abstaining_are_valid_too(make_result, validator):
    empty, crop = frame_record(make_result([])), frame_record(make_result(None, abstained=True))
    validator.validate(empty)
    validator.validate(crop)
    assert empty["faces"] == []
    assert crop["faces"][0]["detection_score"] is None
    assert crop["faces"][0]["box"] == [0.0, 0.0, 120.0, 90.0]
    assert (crop["faces"][0]["label"], crop["faces"][0]["abstained"]) == ("unknown", True)


def test_the_schema_describes_every_field(make_result, make_window):
    definitions = output_schema()["$defs"]
    record, window = frame_record(make_result(ids=[3])), window_record(make_window())
    (event,) = TrackEvents().follow(make_result(ids=[3]), record["faces"])
    for name, said in (("frame", record), ("window", window), ("track", event)):
        assert set(definitions[name]["properties"]) == set(definitions[name]["required"]) == set(said)
    assert list(definitions["face"]["properties"]) == list(record["faces"][0])
    assert definitions["face"]["required"] == list(frame_record(make_result())["faces"][0])


def test_the_schema_refuses_what_is_wrong(make_result, make_window, validator):
    wrong = [
        {**frame_record(make_result()), "schema_version": 2},
        {**frame_record(make_result()), "type": "another"},
        {**window_record(make_window()), "type": "track"},
        {key: value for key, value in window_record(make_window()).items() if key != "shares"},
        {key: value for key, value in frame_record(make_result()).items() if key != "faces"},
    ]
    half_a_track = frame_record(make_result(ids=[1]))
    del half_a_track["faces"][0]["was_read"]
    assert not any(validator.is_valid(record) for record in [*wrong, half_a_track])


LABELS = ("neutral", "happiness", "anger")
SECONDS = st.floats(0, 2e9)


@st.composite
def results(draw):
    count = draw(st.integers(0, 5))
    is_crop = count == 1 and draw(st.booleans())
    odds = draw(st_numpy.arrays(np.float64, (count, 3), elements=st.floats(1e-6, 1)))
    probabilities = (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32)
    probabilities[draw(st_numpy.arrays(np.bool_, count))] = np.nan
    corners = draw(st_numpy.arrays(np.float32, (count, 4), elements=st.floats(-50, 5000, width=32)))
    boxes = np.concatenate([np.minimum(corners[:, :2], corners[:, 2:]), np.maximum(corners[:, :2], corners[:, 2:])], 1)
    predictions = ExpressionPredictions(
        LABELS,
        probabilities,
        np.argmax(np.nan_to_num(probabilities), axis=1).astype(np.int64),
        draw(st_numpy.arrays(np.float32, count, elements=st.floats(1, 5000, width=32))),
        draw(st_numpy.arrays(np.bool_, count)),
    )
    scores = draw(st_numpy.arrays(np.float32, count, elements=st.floats(0, 1, width=32) | st.just(np.nan)))
    tracks = FaceTracks(
        draw(st_numpy.arrays(np.int64, count, elements=st.integers(1, 2**62), unique=True)),
        draw(st_numpy.arrays(np.float32, count, elements=st.floats(0, 2.0**26, width=32))),
        draw(st_numpy.arrays(np.bool_, count)),
        draw(st_numpy.arrays(np.bool_, count)),
        draw(st_numpy.arrays(np.float32, count, elements=st.floats(0, 1, width=32))),
    )
    frame = Frame(
        draw(st.text()),
        draw(st.integers(0, 2**40)),
        draw(SECONDS),
        draw(st.sampled_from(Clock)),
        np.zeros((2, 3, 3), np.uint8),
    )
    detections = None if is_crop else FaceDetections(boxes, scores)
    return FrameResult(frame, predictions, detections, draw(st.sampled_from((None, tracks))))


@st.composite
def windows(draw):
    shares = draw(st.none() | st_numpy.arrays(np.float64, 3, elements=st.floats(0, 1)))
    margin = None if shares is None else draw(st.none() | st_numpy.arrays(np.float64, 3, elements=st.floats(0, 1)))
    return GroupWindow(
        source=draw(st.text()),
        start_s=draw(SECONDS),
        end_s=draw(SECONDS),
        clock=draw(st.sampled_from(Clock)),
        frames=draw(st.integers(1, 2**40)),
        people=draw(st.none() | st.integers(0, 1000)),
        faces_per_frame=draw(st.none() | st.floats(0, 1000)),
        labels=LABELS,
        shares=shares,
        margin=margin,
        is_suppressed=draw(st.booleans()),
    )


@settings(deadline=None, max_examples=60)
@given(said=st.lists(results() | windows(), max_size=4))
def test_any_results_make_valid_lines_of_ascii_and_no_number_that_json_lacks(said, validator):
    stream = io.StringIO()
    sink = JsonLinesSink(stream)
    for one in said:
        sink.write(one) if isinstance(one, FrameResult) else sink.write_window(one)
    lines = stream.getvalue().splitlines()
    assert len(lines) == len(said)
    for line, one in zip(lines, said, strict=True):
        assert line.isascii()
        record = json.loads(line, parse_constant=lambda name: pytest.fail(f"a line holds {name}"))
        validator.validate(record)
        assert record["source"] == (one.frame.source if isinstance(one, FrameResult) else one.source)


@settings(deadline=None, max_examples=60)
@given(said=st.lists(results(), max_size=4))
def test_any_results_make_valid_track_events(said, validator):
    events = TrackEvents()
    told = [event for result in said for event in events.follow(result, frame_record(result)["faces"])]
    for event in (*told, *events.finish()):
        validator.validate(event)
        json.dumps(event, allow_nan=False)


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


def test_a_file_goes_on_where_the_run_before_ended(tmp_path, make_result, make_window, validator):
    path = tmp_path / "seen.jsonl"
    for run in range(2):
        with JsonLinesFileSink(path) as sink:
            sink.write(make_result(index=run))
            assert len(path.read_text().splitlines()) == 2 * run + 1  # at once
            sink.write_window(make_window(run))
    records = [json.loads(line) for line in path.read_text().splitlines()]
    assert [record.get("type") for record in records] == [None, "window", None, "window"]
    for record in records:
        validator.validate(record)


def test_a_torn_line_of_a_power_cut_spoils_no_other(tmp_path, make_result):
    path = tmp_path / "seen.jsonl"
    path.write_text('{"schema_version": 1, "sour')
    with JsonLinesFileSink(path) as sink:
        sink.write(make_result(index=5))
    torn, line = path.read_text().splitlines()
    assert torn == '{"schema_version": 1, "sour'
    assert json.loads(line)["frame"] == 5


def test_a_file_that_is_truncated_while_it_is_written_stays_whole(tmp_path, make_result):
    path = tmp_path / "seen.jsonl"
    with JsonLinesFileSink(path) as sink:
        sink.write(make_result(index=0))
        os.truncate(path, 0)  # as a rotation by copying does
        sink.write(make_result(index=1))
    assert json.loads(path.read_text())["frame"] == 1


def test_a_file_that_holds_something_else_is_left_alone(tmp_path):
    path = tmp_path / "holiday.jpg"
    path.write_bytes(b"\xff\xd8\xff\xe0 not ours")
    with pytest.raises(UsageError, match="holds something else"), JsonLinesFileSink(path):
        pass
    assert path.read_bytes() == b"\xff\xd8\xff\xe0 not ours"


def test_a_file_that_cannot_be_opened_is_wrong_usage(tmp_path):
    with pytest.raises(UsageError, match="cannot write to"), JsonLinesFileSink(tmp_path / "nowhere" / "seen.jsonl"):
        pass


def test_a_full_disk_is_an_error_and_leaving_it_behind_is_none(make_result):
    sink = JsonLinesFileSink(Path("/dev/full"))

    def write():
        with sink:
            sink.write(make_result())

    with pytest.raises(OSError, match="No space left"):
        write()
