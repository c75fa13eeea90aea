"""Annotated frames."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsrfer.core.labels import CANONICAL_LABELS
from fsrfer.runtime.frame import Clock
from fsrfer.runtime.sinks import annotate
from fsrfer.runtime.sinks.drawing import _texts, enlargement_for
from fsrfer.runtime.sinks.label_layout import LabelLayout
from fsrfer.runtime.sinks.legend import _clock_text, draw_caption
from fsrfer.runtime.sinks.palette import UNKNOWN_COLOR, ink_on, palette_for
from fsrfer.runtime.sinks.pen import Pen


def covered(canvas, color, region=np.s_[:, :]):
    return int((canvas[region] == color).all(axis=-1).sum())


def test_the_frame_itself_stays_as_it_is(make_result):
    result = make_result()
    annotate(result)
    assert np.all(result.frame.image == 60)


def test_small_frames_are_enlarged_by_a_whole_factor(make_result):
    assert [enlargement_for(width, 960) for width in (24, 160, 320, 480, 500, 960, 1920)] == [6, 6, 3, 2, 2, 1, 1]
    canvas = annotate(make_result(size=(480, 270)))
    assert canvas.shape[1] == 960
    assert 540 < canvas.shape[0] < 580  # the rest is the footer


def test_a_box_is_drawn_where_the_face_is(make_result):
    canvas = annotate(make_result([(100, 100, 140, 150)], size=(960, 540)))
    yellow = palette_for(CANONICAL_LABELS)["happiness"]
    edges = [np.s_[98:103, 100:141], np.s_[148:153, 100:141], np.s_[100:151, 98:103], np.s_[100:151, 138:143]]
    assert all(covered(canvas, yellow, edge) > 40 for edge in edges)
    assert np.all(canvas[105:145, 105:135] == 60)  # the face is not drawn over


def test_a_label_is_readable_beside_a_face_of_12_pixels(make_result):
    canvas = annotate(make_result([(200, 100, 212, 112)], size=(480, 270)))
    yellow = palette_for(CANONICAL_LABELS)["happiness"]
    above = canvas[170:199, 400:520]
    assert covered(above, yellow) > 800  # the background of the label
    dark = above.sum(axis=-1) < 150
    rows = np.flatnonzero(dark.any(axis=1))
    assert rows.max() - rows.min() >= 8  # letters of at least 8 pixels


def test_an_abstained_face_is_white(make_result):
    canvas = annotate(make_result([(100, 100, 140, 150)], size=(960, 540), abstained=True))
    assert covered(canvas, UNKNOWN_COLOR, np.s_[100:151, 98:103]) > 40


def test_a_track_is_named(make_result):
    box = [(400, 200, 440, 250)]
    plain = annotate(make_result(box, size=(960, 540)))
    named = annotate(make_result(box, size=(960, 540), ids=[1234]))
    yellow = palette_for(CANONICAL_LABELS)["happiness"]
    assert covered(named, yellow, np.s_[170:200]) > covered(plain, yellow, np.s_[170:200]) + 300


def test_what_is_written_is_shortened_where_there_is_no_room(make_result):
    texts = _texts(make_result([(0, 0, 20, 24)] * 2, ids=[7, 8], unreadable=[1]))
    assert texts == [
        ("#7 happiness 90%", "#7 hap 90%", "#7 hap", "#7"),
        ("#8 unknown", "#8 unk", "#8 unk", "#8"),
    ]
    assert _texts(make_result())[0] == ("happiness 90%", "hap 90%", "hap")


def test_a_face_that_was_not_detected_has_corners_only(make_result):
    canvas = annotate(make_result([(100, 100, 180, 180)], size=(960, 540), ids=[1], is_detected=False))
    yellow = palette_for(CANONICAL_LABELS)["happiness"]
    assert covered(canvas, yellow, np.s_[97:103, 97:115]) > 10
    assert covered(canvas, yellow, np.s_[165:184, 177:184]) > 10
    assert covered(canvas, yellow, np.s_[130:150, 95:105]) == 0


def test_a_box_leaves_a_small_face_free(make_result):
    canvas = annotate(make_result([(100, 100, 112, 112)], size=(960, 540)))
    assert np.all(canvas[101:112, 101:112] == 60)
    assert covered(canvas, palette_for(CANONICAL_LABELS)["happiness"], np.s_[94:118, 94:100]) > 20


def test_a_caption_says_where_and_when(make_result):
    result = make_result([], size=(960, 540))
    plain, captioned = annotate(result), annotate(result, caption=True)
    changed = np.argwhere((plain != captioned).any(axis=-1))
    assert len(changed) > 500
    assert changed[:, 0].max() < 30
    assert changed[:, 1].max() < 480


def test_no_label_covers_the_caption(make_result):
    result = make_result([(4, 22, 40, 60)], size=(960, 540), source="a camera with a long name")
    with_face = annotate(result, caption=True)
    without = annotate(make_result([], size=(960, 540), source="a camera with a long name"), caption=True)
    assert np.array_equal(with_face[:15, :150], without[:15, :150])


@pytest.mark.parametrize(
    ("time_s", "text"), [(0.0, "0:00:00.00"), (59.999, "0:01:00.00"), (3661.25, "1:01:01.25"), (36000.0, "10:00:00.00")]
)
def test_times_of_recordings_are_those_of_a_player(make_result, time_s, text):
    assert _clock_text(make_result(time_s=time_s).frame) == text


@pytest.fixture
def greenwich(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_times_of_cameras_are_local(make_result, greenwich):
    assert _clock_text(make_result(time_s=1.79e9, clock=Clock.WALL).frame) == "2026-09-21 14:13:20"


@settings(deadline=None, max_examples=30)
@given(name=st.text(max_size=300), width=st.integers(8, 1000))
def test_any_name_fits_its_corner(make_result, name, width):
    frame = make_result(source=name, size=(width, 60)).frame
    canvas = np.zeros((60, width, 3), np.uint8)
    pen = Pen.for_width(width)
    x0, y0, x1, _ = draw_caption(canvas, frame, pen)
    assert (x0, y0) == (0, 0)
    assert x1 <= max(width, pen.label_size("...")[0])


def test_a_face_crop_is_labelled_inside(make_result):
    canvas = annotate(make_result(None, size=(48, 48)))
    assert canvas.shape[1] == 288
    assert covered(canvas, palette_for(CANONICAL_LABELS)["happiness"], np.s_[3:280, 3:200]) > 500


BOXES = st.lists(
    st.tuples(st.integers(0, 280), st.integers(0, 180), st.integers(1, 80), st.integers(1, 80)), min_size=1, max_size=30
)


@settings(deadline=None, max_examples=60)
@given(corners=BOXES)
def test_labels_cover_neither_each_other_nor_other_faces(corners):
    boxes = np.array([(x, y, x + w, y + h) for x, y, w, h in corners], np.int64)
    layout = LabelLayout(320, 240, boxes)
    canvas = np.zeros((240, 320), np.int64)
    for face in range(len(boxes)):
        place = layout.place(face, (50, 14))
        if place is None:
            continue
        x0, y0, x1, y1 = place
        assert (x1 - x0, y1 - y0) == (50, 14)
        assert x0 >= 0 <= y0
        assert x1 <= 320
        assert y1 <= 240
        canvas[y0:y1, x0:x1] += 1
        x, y, right, bottom = boxes[face]
        assert x1 <= x or right <= x0 or y1 <= y or bottom <= y0 or bottom - y >= 3 * 14
        for other in np.delete(boxes, face, axis=0):
            assert x1 <= other[0] or other[2] <= x0 or y1 <= other[1] or other[3] <= y0
    assert canvas.max() <= 1


@settings(deadline=None, max_examples=30)
@given(corners=BOXES, width=st.integers(1, 400), height=st.integers(1, 300))
def test_any_boxes_can_be_drawn(make_result, corners, width, height):
    boxes = [(x, y, x + w, y + h) for x, y, w, h in corners]
    canvas = annotate(make_result(boxes, size=(width, height)), min_width=320)
    assert canvas.dtype == np.uint8
    assert canvas.shape[1] == width * enlargement_for(width, 320)


def test_every_expression_has_a_colour_of_its_own():
    colors = palette_for(CANONICAL_LABELS)
    assert len({*colors.values(), UNKNOWN_COLOR}) == len(CANONICAL_LABELS) + 1
    assert len(set(palette_for(("neutral", "bored", "amused")).values())) == 3


@pytest.mark.parametrize(("color", "ink"), [((240, 228, 66), (0, 0, 0)), ((0, 114, 178), (255, 255, 255))])
def test_ink_contrasts_with_its_background(color, ink):
    assert ink_on(color) == ink
