"""Video files."""

from __future__ import annotations

import threading
from contextlib import closing

import numpy as np
import pytest

from fsrfer.core.errors import SourceError
from fsrfer.runtime.frame import Clock
from fsrfer.runtime.sources import open_source, parse_source

UPRIGHT = b"".join(value.to_bytes(4, "big") for value in (1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30))
# A quarter turn clockwise: (a, b, c, d) = (0, 1, -1, 0), ISO/IEC 14496-12, 6.2.2.
TURNED = b"".join((value % (1 << 32)).to_bytes(4, "big") for value in (0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30))


def read(path):
    with closing(open_source(parse_source(str(path))).frames(threading.Event())) as frames:
        return list(frames)


def test_every_frame_comes_with_its_presentation_time(tmp_path, make_clip):
    times = [1.0, 1.04, 1.5, 1.52, 3.0]
    frames = read(make_clip(tmp_path / "clip.mp4", 5, times=times))
    assert [frame.index for frame in frames] == list(range(5))
    assert {frame.clock for frame in frames} == {Clock.STREAM}
    np.testing.assert_allclose([frame.time_s for frame in frames], np.subtract(times, 1.0), atol=1e-4)
    levels = [int(frame.image[32, 80, 1]) for frame in frames]
    np.testing.assert_allclose(levels, [20 + 5 * index for index in range(5)], atol=3)
    assert frames[0].image[32, 20, 0] > 150 > frames[0].image[32, 20, 2]


def test_a_colon_in_the_name_is_no_protocol(tmp_path, make_clip):
    path = tmp_path / "at 12:30:00.mp4"
    make_clip(tmp_path / "clip.mp4", 3).rename(path)
    assert len(read(path)) == 3


def test_a_video_that_was_shot_sideways_is_turned_upright(tmp_path, make_clip):
    path = make_clip(tmp_path / "clip.mp4", 3)
    data = path.read_bytes()
    track = data.index(UPRIGHT, data.index(b"tkhd"))
    path.write_bytes(data[:track] + TURNED + data[track + len(TURNED) :])
    image = read(path)[0].image
    assert image.shape == (96, 64, 3)
    assert image[20, 32, 0] > 150 > image[80, 32, 0]  # the red left half is now on top


def test_a_damaged_video_is_an_error(tmp_path, make_clip):
    path = make_clip(tmp_path / "clip.mp4")
    path.write_bytes(path.read_bytes()[:400])
    with pytest.raises(SourceError, match=r"cannot read the video .*clip.mp4"):
        read(path)


def test_a_stop_ends_the_reading(tmp_path, make_clip):
    stop = threading.Event()
    source = open_source(parse_source(str(make_clip(tmp_path / "clip.mp4"))))
    with closing(source.frames(stop)) as frames:
        next(frames)
        stop.set()
        assert list(frames) == []


def test_a_title_that_is_not_utf8_does_no_harm(tmp_path, make_clip):
    path = make_clip(tmp_path / "clip.avi", 3, codec="mjpeg")
    data = path.read_bytes()
    software = data.index(b"ISFT") + 8  # the name of the muxer, in a RIFF INFO chunk
    path.write_bytes(data[:software] + b"\xe9\xe8" + data[software + 2 :])
    assert len(read(path)) == 3
