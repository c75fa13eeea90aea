"""Times of the frames of recordings."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsrfer.core.errors import SourceError
from fsrfer.runtime.sources import SourceSettings
from fsrfer.runtime.sources.recording import RecordingClock, recording_frames
from fsrfer.runtime.sources.source import TimedImage

IMAGE = np.zeros((4, 6, 3), np.uint8)


def times_of(stamps):
    clock = RecordingClock()
    return [clock.time_of(stamp) for stamp in stamps]


def test_joined_clips_go_on_from_each_other():
    np.testing.assert_allclose(times_of([5.0, 5.04, 5.08, 0.0, 0.04]), [0.0, 0.04, 0.08, 0.12, 0.16], atol=1e-9)


def test_a_pause_of_the_recorder_is_kept_and_not_repeated():
    np.testing.assert_allclose(times_of([0.0, 3600.0, 0.0, 1.0]), [0.0, 3600.0, 3601.0, 3602.0])


def test_a_frame_without_a_stamp_has_the_time_of_the_last():
    assert times_of([None, 2.0, None, 2.5]) == [0.0, 0.0, 0.0, 0.5]


@given(st.lists(st.none() | st.floats(-1e6, 1e6), max_size=60))
def test_time_begins_at_zero_and_never_runs_backwards(stamps):
    times = times_of(stamps)
    assert times[:1] in ([], [0.0])
    assert np.all(np.diff(times) >= 0)


@given(st.lists(st.integers(0, 2**20), min_size=1, max_size=60), st.integers(-(2**20), 2**20))
def test_rising_stamps_are_kept_whatever_they_count_from(ticks, shift):
    stamps = np.sort(ticks) / 1024
    assert times_of(stamps + shift / 1024) == list(stamps - stamps[0])


def test_left_out_frames_leave_gaps_in_the_index():
    images = (image for image in [TimedImage(IMAGE, 1.0), None, None, TimedImage(IMAGE, 1.12)])
    settings = SourceSettings(region=(0, 0, 0.5, 1))
    frames = list(recording_frames(images, "clip", threading.Event(), settings))
    assert [(frame.index, frame.settings) for frame in frames] == [(0, settings), (3, settings)]
    assert frames[1].time_s == pytest.approx(0.12)


def test_a_region_outside_the_frame_names_the_source():
    images = (image for image in [TimedImage(IMAGE, 0.0)])
    settings = SourceSettings(region=(100, 0, 200, 100))
    with pytest.raises(SourceError, match=r"clip: the region .* lies outside the frame.*6 x 4"):
        list(recording_frames(images, "clip", threading.Event(), settings))
