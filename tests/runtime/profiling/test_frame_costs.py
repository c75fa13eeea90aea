"""The way of a frame from its spans, whatever happened on it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsrfer.runtime.frame import Clock, Frame
from fsrfer.runtime.profiling.frame_costs import Part, frame_costs, parts_of
from fsrfer.runtime.profiling.span_journal import SpanJournal
from fsrfer.runtime.telemetry import Stage


def frame(index=0, source="camera"):
    return Frame(source, index, 0.0, Clock.WALL, np.zeros((2, 2, 3), np.uint8))


# The way of a live frame: gaps between what is noted, in its order.
WAY = [
    (None, Part.CAPTURE),
    (Stage.DECODE, Part.DECODE),
    (None, Part.SLOT),
    (Stage.DETECT, Part.DETECT),
    (None, Part.HANDOVER),
    (Stage.TRACK, Part.TRACK),
    (Stage.CROP, Part.CROP),
    (Stage.QUEUE, Part.QUEUE),
    (Stage.CLASSIFY, Part.CLASSIFY),
    (None, Part.TURN),
    (Stage.SMOOTH, Part.SMOOTH),
    (Stage.SINK, Part.SINK),
]


def note_way(journal, one, times, start_s=100.0):
    now_s, taken_s = start_s, start_s
    for (stage, part), seconds in zip(WAY, times, strict=True):
        begin_s, now_s = now_s, now_s + seconds
        if part is Part.SLOT:
            taken_s = now_s
        if stage is not None:
            journal.note(stage, begin_s, now_s, (one,), None)
    journal.note(Stage.WAIT, start_s, taken_s, (one,), None)
    return now_s


@settings(deadline=None)
@given(st.lists(st.floats(0, 2), min_size=len(WAY), max_size=len(WAY)))
def test_the_parts_do_not_overlap_and_are_the_whole_way(times):
    journal = SpanJournal()
    end_s = note_way(journal, frame(), times)
    (cost,) = frame_costs(journal.spans())
    assert cost.key == ("camera", 0)
    assert (cost.begin_s, cost.end_s) == (100.0, end_s)
    for (_, part), seconds in zip(WAY, times, strict=True):
        assert cost.parts[part] == pytest.approx(seconds, abs=1e-9)
    assert sum(cost.parts.values()) == pytest.approx(cost.total_s, abs=1e-9)


def test_frames_of_one_batch_share_its_time_and_wait_for_each_other():
    journal = SpanJournal()
    pair = (frame(0), frame(1))
    for one in pair:
        journal.note(Stage.WAIT, 0.0, 1.0, (one,), None)
    journal.note(Stage.CLASSIFY, 2.0, 3.0, pair, 9)
    for one, begin_s in zip(pair, (3.0, 3.5), strict=True):
        journal.note(Stage.SMOOTH, begin_s, begin_s + 0.25, (one,), None)
        journal.note(Stage.SINK, begin_s + 0.25, begin_s + 0.5, (one,), None)
    first, second = frame_costs(journal.spans())
    assert (first.parts[Part.CLASSIFY], second.parts[Part.CLASSIFY]) == (1.0, 1.0)
    assert (first.parts[Part.TURN], second.parts[Part.TURN]) == (0.0, 0.5)
    assert parts_of([first, second])[Part.TURN].tolist() == [0.0, 0.5]
    assert Part.DETECT not in parts_of([first, second])


def test_a_frame_of_a_recording_begins_with_its_decoding():
    journal = SpanJournal()
    journal.note(Stage.DECODE, 10.0, 10.5, (frame(),), None)
    journal.note(Stage.WAIT, 10.5, 12.0, (frame(),), None)
    journal.note(Stage.SINK, 12.0, 12.1, (frame(),), None)
    (cost,) = frame_costs(journal.spans())
    assert cost.begin_s == 10.0
    assert (cost.parts[Part.CAPTURE], cost.parts[Part.DECODE], cost.parts[Part.SLOT]) == (0.0, 0.5, 1.5)


def test_frames_that_are_still_on_their_way_are_left_out():
    journal = SpanJournal()
    journal.note(Stage.WAIT, 0.0, 1.0, (frame(0),), None)
    journal.note(Stage.SINK, 1.0, 2.0, (frame(1),), None)  # its begin gave way
    assert frame_costs(journal.spans()) == []


def test_a_journal_keeps_the_last_spans_and_no_frame():
    journal = SpanJournal(most=10)
    for index in range(25):
        journal.note(Stage.CROP, index, index + 1, (frame(index),), 3)
    spans = journal.spans()
    assert [span.frames for span in spans] == [(("camera", index),) for index in range(15, 25)]
    assert journal.lost == 15
    assert {type(part) for span in spans for part in span} <= {Stage, int, float, str, tuple}
