"""Cameras at this machine: there is none where the tests run, so a video file stands in for the device."""

from __future__ import annotations

import threading
from contextlib import closing

import cv2
import pytest

from fsrfer.core.errors import SourceError
from fsrfer.runtime.sources import ReconnectPolicy, open_source, parse_source
from fsrfer.runtime.sources.camera import connect_camera
from fsrfer.runtime.sources.capture import captured_images
from fsrfer.runtime.sources.counters import SourceCounters


@pytest.fixture
def capture(tmp_path, make_clip):
    opened = cv2.VideoCapture(str(make_clip(tmp_path / "clip.avi", 3, codec="mjpeg")))
    assert opened.isOpened()
    return opened


def test_an_absent_camera_is_an_error():
    with pytest.raises(SourceError, match="cannot open camera 93"):
        connect_camera(93, "camera 93")
    source = open_source(parse_source("93"), ReconnectPolicy(first_delay_s=0.01, initial_attempts=2))
    with closing(source.frames(threading.Event())) as frames, pytest.raises(SourceError, match="gave up on camera 93"):
        next(frames)


def test_pictures_are_rgb_and_their_end_is_an_error(capture):
    images = captured_images(capture, "camera 0", None, SourceCounters("camera 0"))
    first = next(images)
    assert first.image[32, 20, 0] > 150 > first.image[32, 20, 2]
    assert first.stream_time_s is None
    with pytest.raises(SourceError, match="camera 0 gives no more frames"):
        list(images)
    assert not capture.isOpened()


def test_pictures_above_the_rate_are_left_out_and_counted(capture):
    counters = SourceCounters("camera 0")
    images = captured_images(capture, "camera 0", 0.01, counters)
    assert next(images) is not None
    assert next(images) is None
    assert next(images) is None
    assert counters.skipped == 2
