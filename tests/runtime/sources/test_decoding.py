"""What comes out of damaged and odd videos."""

from __future__ import annotations

import threading
from contextlib import closing
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from av.stream import Disposition

from fsrfer.core.errors import SourceError
from fsrfer.runtime.sources import SourceSettings, open_source, parse_source
from fsrfer.runtime.sources.counters import SourceCounters
from fsrfer.runtime.sources.decoding import decoded_images, opened
from fsrfer.runtime.sources.video import VideoFileSource

DELIMITER = b"\x00\x00\x00\x01\x09"


def read(path, **settings):
    source = VideoFileSource(path, settings=SourceSettings(**settings))
    with closing(source.frames(threading.Event())) as frames:
        return list(frames), source.counters


def write_lossless(path, images):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = "bgr0"
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="bgr0")))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("size", [(1, 1), (3, 1)])
def test_frames_of_a_pixel_or_so(tmp_path, size):
    image = np.full((size[1], size[0], 3), (200, 30, 90), np.uint8)
    image[-1, -1] = (1, 2, 3)
    frames, _ = read(write_lossless(tmp_path / "clip.mkv", [image] * 2))
    assert len(frames) == 2
    np.testing.assert_array_equal(frames[0].image, image)


@pytest.mark.slow
def test_frames_of_8k(tmp_path, make_clip):
    frames, counters = read(make_clip(tmp_path / "clip.avi", 2, codec="mjpeg", size=(7680, 4320)))
    assert [frame.image.shape for frame in frames] == [(4320, 7680, 3)] * 2
    assert frames[0].image[2000, 1000, 0] > 150 > frames[0].image[2000, 6000, 0]
    assert not any(counters.values())


@pytest.mark.parametrize("size", [(1, 1), pytest.param((7680, 4320), marks=pytest.mark.slow)])
def test_pictures_of_one_pixel_and_of_8k(tmp_path, size):
    image = np.full((size[1], size[0], 3), (90, 30, 200), np.uint8)
    path = tmp_path / "face.bmp"
    cv2.imwrite(str(path), image)
    (frame,) = open_source(parse_source(str(path))).frames(threading.Event())
    assert frame.image.shape == image.shape
    assert np.unique(frame.image[:: max(size[1] // 9, 1)].reshape(-1, 3), axis=0).tolist() == [[200, 30, 90]]


def noisy_clip(path, make_options, frames=40):
    rng = np.random.default_rng(3)
    ground = rng.integers(0, 256, (64, 96, 3), np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options=make_options)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 25)
        for index in range(frames):
            frame = av.VideoFrame.from_ndarray(np.roll(ground, index, axis=1), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def cut_unit(path, number):
    units = [DELIMITER + unit for unit in path.read_bytes().split(DELIMITER) if unit]
    units[number] = units[number][: len(units[number]) // 2]
    path.write_bytes(b"".join(units))


def test_damage_leaves_out_what_builds_on_it(tmp_path, caplog):
    options = {"tune": "zerolatency", "x264-params": "aud=1:keyint=10:scenecut=0:repeat-headers=1:annexb=1:slices=1"}
    whole = noisy_clip(tmp_path / "whole.h264", options)
    broken = noisy_clip(tmp_path / "broken.h264", options)
    cut_unit(broken, 14)
    expected, counters = read(whole)
    assert (len(expected), counters["decode_errors"]) == (40, 0)
    frames, counters = read(broken)
    assert [frame.index for frame in frames] == [*range(14), *range(20, 40)]
    assert (counters["decode_errors"], counters["damaged"]) == (1, 5)
    for frame in frames:
        np.testing.assert_array_equal(frame.image, expected[frame.index].image)
    assert caplog.text.count("cannot be decoded and is left out") == 1


def test_a_cut_off_picture_of_motion_jpeg_is_left_out(tmp_path):
    noise = np.random.default_rng(0).integers(0, 60, (64, 96, 3), np.uint8)
    pictures = [cv2.imencode(".jpg", noise + np.uint8(15 * index))[1].tobytes() for index in range(10)]
    pictures[6] = pictures[6][: len(pictures[6]) // 2]
    (tmp_path / "clip.mjpeg").write_bytes(b"".join(pictures))
    source = VideoFileSource(tmp_path / "clip.mjpeg")
    levels = [frame.image.mean() for frame in source.frames(threading.Event())]
    np.testing.assert_allclose(levels, [noise.mean() + 15 * index for index in range(10) if index != 6], atol=3)
    assert source.counters["decode_errors"] == 1


def test_a_video_without_one_whole_frame_is_an_error(tmp_path):
    path = tmp_path / "clip.mjpeg"
    picture = cv2.imencode(".jpg", np.zeros((64, 96, 3), np.uint8))[1].tobytes()
    path.write_bytes(picture[:20] * 5)
    with pytest.raises(SourceError, match=r"clip.mjpeg"):
        read(path)


def test_sound_alone_is_no_video(tmp_path):
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=48_000)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 48_000, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(SourceError, match=r"has no video; found 1 streams of other kinds"):
        read(path)


def test_the_cover_of_a_song_is_no_video(tmp_path):
    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as container:
        sound = container.add_stream("aac", rate=48_000)
        sound.layout = "mono"
        cover = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 640, 640, "yuvj420p"
        cover.disposition = Disposition.attached_pic.value
        container.mux(cover.encode(av.VideoFrame.from_ndarray(np.zeros((640, 640, 3), np.uint8), format="rgb24")))
        container.mux(cover.encode(None))
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 48_000, 0
        container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    with pytest.raises(SourceError, match=r"has no video; found 2 streams of other kinds"):
        read(path)


def test_frames_above_the_rate_are_left_out_and_keep_their_index(tmp_path, make_clip):
    frames, counters = read(make_clip(tmp_path / "clip.mp4", 50), max_fps=5)
    assert set(np.diff([frame.index for frame in frames])[1:]) == {5}
    np.testing.assert_allclose([frame.time_s for frame in frames], [frame.index / 25 for frame in frames], atol=1e-3)
    assert counters["skipped"] == 50 - len(frames)


def test_a_header_that_asks_for_gigabytes_is_refused(tmp_path, make_clip):
    with pytest.raises(SourceError, match=r"huge.avi cannot be decoded; found 1 broken packets"):
        read(make_clip(tmp_path / "huge.avi", 1, codec="mjpeg", size=(12_000, 6_000)))


def test_who_joins_a_stream_in_its_middle_counts_no_errors(tmp_path):
    options = {"tune": "zerolatency", "x264-params": "aud=1:keyint=10:scenecut=0:repeat-headers=1:annexb=1:slices=1"}
    path = noisy_clip(tmp_path / "clip.h264", options, frames=30)
    units = [DELIMITER + unit for unit in path.read_bytes().split(DELIMITER) if unit]
    path.write_bytes(b"".join(units[3:]))
    counters = SourceCounters("gate")
    with opened(str(path), options={}) as container:
        images = decoded_images(container, "gate", is_live=True, settings=SourceSettings(), counters=counters)
        assert len(list(images)) == 20
    assert not any(counters.as_mapping().values())
