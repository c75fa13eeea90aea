"""Bare frames from a pipe."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from contextlib import closing

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsrfer.core.errors import SourceError
from fsrfer.runtime.frame import Clock
from fsrfer.runtime.sources import SourceSettings, open_source, parse_source
from fsrfer.runtime.sources.raw_video import PixelFormat, RawVideoFormat, RawVideoSource


@pytest.fixture
def pipe():
    """Both ends of a pipe; the second is a file."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb", buffering=0) as writer:
        yield reading, writer
    os.close(reading)


def source_of(text, descriptor, **settings):
    return RawVideoSource(RawVideoFormat.parse(text), "pipe", SourceSettings(**settings), descriptor)


def read(source, stop=None):
    with closing(source.frames(stop or threading.Event())) as frames:
        return list(frames)


def write_slowly(writer, data, step):
    def write():
        for begin in range(0, len(data), step):
            writer.write(data[begin : begin + step])
        writer.close()

    thread = threading.Thread(target=write)
    thread.start()
    return thread


def test_frames_are_read_exactly_however_they_are_cut(pipe):
    images = np.random.default_rng(0).integers(0, 256, (20, 48, 64, 3), np.uint8)
    thread = write_slowly(pipe[1], images.tobytes(), 7001)
    frames = read(source_of("raw:64x48:rgb24@25", pipe[0]))
    thread.join()
    np.testing.assert_array_equal([frame.image for frame in frames], images)
    assert [frame.index for frame in frames] == list(range(20))
    np.testing.assert_allclose([frame.time_s for frame in frames], np.arange(20) / 25)
    assert {(frame.source, frame.clock) for frame in frames} == {("pipe", Clock.STREAM)}


@pytest.mark.parametrize("pixels", list(PixelFormat))
def test_pixels_come_out_as_rgb(pipe, pixels):
    # Patches of one colour, so that the resolution of the colours does not matter.
    image = np.repeat(np.repeat([[[200, 40, 30], [30, 180, 60]], [[20, 50, 210], [90, 90, 90]]], 16, 0), 16, 1)
    image = image.astype(np.uint8)
    if pixels is PixelFormat.GRAY:
        image[:] = image[..., :1]
    frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=pixels.value, dst_colorspace="ITU601")
    bare = image[..., 0] if pixels is PixelFormat.GRAY else frame.to_ndarray()
    pipe[1].write(bare.tobytes())
    pipe[1].close()
    (shown,) = read(source_of(f"raw:32x32:{pixels.value}@10", pipe[0]))
    assert shown.image.shape == (32, 32, 3)
    assert np.abs(shown.image[::31, ::31].astype(int) - image[::31, ::31]).max() <= 6


def test_a_short_last_frame_is_an_error_after_the_whole_ones(pipe):
    pipe[1].write(bytes(2 * 48 + 5))
    pipe[1].close()
    source = source_of("raw:4x4:rgb24@25", pipe[0])
    with closing(source.frames(threading.Event())) as frames:
        assert next(frames).index == 0
        assert next(frames).index == 1
        message = r"pipe ends in the middle of frame 2; expected 48 bytes a frame; found 5. Next: check width"
        with pytest.raises(SourceError, match=message):
            next(frames)


def test_an_empty_pipe_gives_no_frame(pipe):
    pipe[1].close()
    assert read(source_of("raw:4x4:rgb24@25", pipe[0])) == []


def test_live_frames_have_the_time_of_their_coming(pipe):
    pipe[1].write(bytes(3 * 16))
    pipe[1].close()
    frames = read(source_of("raw:4x4:gray@25:live", pipe[0]))
    assert {frame.clock for frame in frames} == {Clock.WALL}
    assert all(abs(frame.time_s - time.time()) < 60 for frame in frames)


def test_frames_above_the_rate_are_left_out_and_counted(pipe):
    pipe[1].write(bytes(100 * 16))
    pipe[1].close()
    source = source_of("raw:4x4:gray@25", pipe[0], max_fps=5)
    indices = [frame.index for frame in read(source)]
    assert set(np.diff(indices)[1:]) == {5}
    assert source.counters["skipped"] == 100 - len(indices)
    assert source.reconnects == 0


def test_a_stop_is_heard_while_nothing_comes(pipe):
    pipe[1].write(bytes(20))
    stop = threading.Event()
    threading.Timer(0.2, stop.set).start()
    assert len(read(source_of("raw:4x4:gray@25", pipe[0]), stop)) == 1


def test_a_closed_descriptor_is_an_error():
    reading, writing = os.pipe()
    os.close(reading)
    os.close(writing)
    with pytest.raises(SourceError, match="cannot read pipe; found Bad file descriptor"):
        read(source_of("raw:4x4:gray@25", reading))


@pytest.mark.parametrize(
    "text", ["raw:", "raw:4x4", "raw:4x4:rgb48@25", "raw:4x4:rgb24", "raw:4x4:rgb24@1.2.3", "raw:4x4:rgb24@25:dead"]
)
def test_malformed_texts(text):
    with pytest.raises(
        SourceError, match=r"cannot understand raw:.*expected raw:WIDTHxHEIGHT:FORMAT@FPS.*one of rgb24"
    ):
        RawVideoFormat.parse(text)


@pytest.mark.parametrize(
    "text", ["raw:0x4:gray@25", "raw:4x99999:gray@25", "raw:4x4:gray@0", "raw:4x5:nv12@25", "raw:5x4:yuyv422@25"]
)
def test_impossible_frames(text):
    with pytest.raises(SourceError, match="impossible bare frames"):
        RawVideoFormat.parse(text)


@given(st.integers(1, 16_384), st.integers(1, 16_384), st.sampled_from(PixelFormat), st.floats(0.01, 1e3))
def test_every_even_size_is_possible(width, height, pixels, fps):
    width, height = width * 2 % 16_384 + 2, height * 2 % 16_384 + 2
    video = RawVideoFormat.parse(f"raw:{min(width, 16384)}x{min(height, 16384)}:{pixels.value}@{fps:f}")
    channels = {"rgb24": 3, "bgr24": 3, "gray": 1, "yuv420p": 1.5, "nv12": 1.5, "yuyv422": 2}[pixels.value]
    assert np.prod(video.shape) == video.width * video.height * channels


FROM_STDIN = """
import threading
from fsrfer.runtime.sources import open_source, parse_source
for frame in open_source(parse_source("raw:2x2:gray@10")).frames(threading.Event()):
    print(frame.source, frame.index, frame.image.mean())
"""


def test_the_standard_input_is_read():
    assert open_source(parse_source("raw:2x2:gray@10")).name == "raw:2x2:gray@10"
    command = [sys.executable, "-c", FROM_STDIN]
    done = subprocess.run(command, input=bytes([7] * 4 + [9] * 4), capture_output=True, timeout=60, check=True)
    assert done.stdout.decode().splitlines() == ["raw:2x2:gray@10 0 7.0", "raw:2x2:gray@10 1 9.0"]
