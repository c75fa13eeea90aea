import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsrfer.core.errors import UsageError
from fsrfer.core.predictions import ExpressionPredictions
from fsrfer.runtime.detection import FaceDetections
from fsrfer.runtime.frame import Clock, Frame
from fsrfer.runtime.groups import GroupAggregator, GroupConfig
from fsrfer.runtime.results import FaceTracks, FrameResult

LABELS = ("neutral", "happiness")


def result(happy, *, time_s=0.0, ids=None, sizes=None, source="hall", clock=Clock.WALL):
    count = len(happy)
    second = np.array(happy, np.float32)
    probabilities = np.stack([1 - second, second], axis=1).reshape(count, 2)
    predictions = ExpressionPredictions(
        labels=LABELS,
        probabilities=probabilities,
        label_index=(second > 0.5).astype(np.int64),
        face_size_px=np.array([20.0] * count if sizes is None else sizes, np.float32),
        abstained=np.zeros(count, bool),
    )
    boxes = np.tile(np.array([0, 0, 20, 20], np.float32), (count, 1))
    detections = FaceDetections(boxes, np.ones(count, np.float32))
    tracks = None
    if ids is not None:
        flags = np.ones(count, bool)
        tracks = FaceTracks(
            np.array(ids, np.int64), np.zeros(count, np.float32), flags, flags, flags.astype(np.float32)
        )
    frame = Frame(source, 0, time_s, clock, np.zeros((40, 40, 3), np.uint8))
    return FrameResult(frame, predictions, detections, tracks)


def test_each_person_counts_once_however_long_he_was_seen():
    groups = GroupAggregator()
    for second in range(5):
        groups.add(result([1.0], time_s=second, ids=[1]))
    groups.add(result([1.0, 0.0], time_s=5, ids=[1, 2]))
    (window,) = groups.finish()
    assert window.people == 2
    assert window.shares.tolist() == pytest.approx([0.5, 0.5])
    assert window.faces_per_frame == pytest.approx(7 / 6)


def test_the_margin_follows_from_how_much_people_differ():
    groups = GroupAggregator()
    happy = [0.1, 0.3, 0.8, 0.9]
    groups.add(result(happy, ids=[1, 2, 3, 4]))
    (window,) = groups.finish()
    expected = 1.959964 * np.std(happy, ddof=1) / 2
    assert window.margin.tolist() == pytest.approx([expected, expected], abs=1e-6)


def test_one_person_alone_has_no_margin():
    groups = GroupAggregator()
    groups.add(result([0.3], ids=[7]))
    (window,) = groups.finish()
    assert window.shares[1] == pytest.approx(0.3)
    assert window.margin is None


def test_without_tracks_the_fullest_frame_says_how_many_people_there_are():
    groups = GroupAggregator()
    groups.add(result([1.0, 1.0, 1.0]))
    groups.add(result([0.0], time_s=1))
    (window,) = groups.finish()
    assert (window.people, window.frames) == (3, 2)
    assert window.shares[1] == pytest.approx(0.75)


def test_a_window_is_closed_by_the_first_frame_behind_it():
    groups = GroupAggregator(GroupConfig(window_s=10))
    assert groups.add(result([1.0], time_s=1003.0)) == []
    assert groups.add(result([1.0], time_s=1009.9)) == []
    (window,) = groups.add(result([0.0], time_s=1031.0))
    assert (window.start_s, window.end_s, window.frames) == (1000.0, 1010.0, 2)
    (last,) = groups.finish()
    assert (last.start_s, last.end_s) == (1030.0, 1031.0)
    assert groups.finish() == []


def test_sources_have_windows_of_their_own():
    groups = GroupAggregator()
    groups.add(result([1.0], source="hall"))
    groups.add(result([0.0], source="gate", time_s=3, clock=Clock.STREAM))
    windows = {window.source: window for window in groups.finish()}
    assert windows["hall"].shares[1] == 1.0
    assert windows["gate"].clock is Clock.STREAM


def test_a_window_of_too_few_people_says_nothing_about_them():
    groups = GroupAggregator(GroupConfig(min_people=3))
    groups.add(result([0.9, 0.1], ids=[1, 2]))
    (window,) = groups.finish()
    assert window.is_suppressed
    assert (window.people, window.faces_per_frame, window.shares, window.margin) == (None, None, None, None)


def test_faces_that_are_too_small_count_as_people_only():
    groups = GroupAggregator(GroupConfig(min_face_px=16))
    groups.add(result([1.0, 0.0], ids=[1, 2], sizes=[40, 8]))
    (window,) = groups.finish()
    assert window.people == 2
    assert window.shares[1] == 1.0


def test_a_scene_without_faces_has_no_shares():
    groups = GroupAggregator()
    groups.add(result([]))
    groups.add(result([], ids=[]))
    (window,) = groups.finish()
    assert (window.people, window.faces_per_frame, window.shares, window.is_suppressed) == (0, 0.0, None, False)


def test_numbers_that_are_none_do_not_spoil_a_window():
    groups = GroupAggregator()
    groups.add(result([np.nan, 0.5], ids=[1, 2]))
    groups.add(result([np.nan, 0.5]))
    (window,) = groups.finish()
    assert np.isfinite(window.shares).all()


@given(st.lists(st.tuples(st.integers(1, 5), st.floats(0, 1)), min_size=1, max_size=40))
def test_shares_sum_to_one_and_margins_are_not_negative(faces):
    groups = GroupAggregator()
    for second, (track, happy) in enumerate(faces):
        groups.add(result([happy], time_s=second / 10, ids=[track]))
    (window,) = groups.finish()
    assert window.shares.sum() == pytest.approx(1.0, abs=1e-5)
    assert window.margin is None or (window.margin >= 0).all()


@pytest.mark.parametrize(
    "options", [{"window_s": 0}, {"window_s": float("inf")}, {"min_people": -1}, {"min_face_px": -1}]
)
def test_impossible_options_are_refused(options):
    with pytest.raises(UsageError, match="impossible group options"):
        GroupConfig(**options)


def test_one_person_who_is_found_again_and_again_is_no_group():
    groups = GroupAggregator(GroupConfig(min_people=3))
    for second in range(9):
        groups.add(result([1.0], time_s=second, ids=[second + 1]))
    assert groups.finish()[0].is_suppressed
    groups.add(result([1.0, 0.0, 0.5], time_s=20, ids=[1, 2, 3]))
    assert not groups.finish()[0].is_suppressed


def test_the_window_of_a_source_that_is_gone_is_closed():
    groups = GroupAggregator()
    groups.add(result([1.0], time_s=1, ids=[1], source="hall"))
    groups.add(result([0.0], time_s=2, ids=[1], source="gate"))
    (window,) = groups.close("hall")
    assert (window.source, window.end_s, window.people) == ("hall", 1, 1)
    assert groups.close("hall") == []
    assert [window.source for window in groups.finish()] == ["gate"]
