"""Cameras at this machine: there is none where the tests run, so a video file stands in for the device."""

from __future__ import annotations

import cv2
import pytest

from fsrfer.core.errors import SourceError
from fsrfer.runtime.sources.camera import _images, connect_camera


def test_an_absent_camera_is_an_error():
    with pytest.raises(SourceError, match="cannot open camera 93"):
        connect_camera(93, "camera 93")


def test_pictures_are_rgb_and_their_end_is_an_error(tmp_path, make_clip):
    capture = cv2.VideoCapture(str(make_clip(tmp_path / "clip.avi", 3, codec="mjpeg")))
    assert capture.isOpened()
    images = _images(capture, "camera 0")
    first = next(images)
    assert first.image[32, 20, 0] > 150 > first.image[32, 20, 2]
    assert first.stream_time_s is None
    with pytest.raises(SourceError, match="camera 0 gives no more frames"):
        list(images)
    assert not capture.isOpened()
