"""A video that behaves like a camera."""

from __future__ import annotations

import threading
import time
from itertools import islice

import numpy as np
import pytest

from fsrfer.core.errors import SourceError, UsageError
from fsrfer.datasets.procedural import CrowdClip, write_clip
from fsrfer.runtime.sources import FrameCollector
from fsrfer.runtime.sources.replay import ReplaySource


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("replay") / "crowd.mp4"
    write_clip(CrowdClip(width=160, height=96, seconds=0.5, people=3, face_px=(8, 20)), path)  # six frames
    return path


def frames_of(source, count):
    stop = threading.Event()
    generator = source.frames(stop)
    try:
        return list(islice(generator, count))
    finally:
        stop.set()
        generator.close()


def test_it_plays_for_ever_at_its_rate_whatever_the_file_says(clip):
    frames = frames_of(ReplaySource(clip, "camera", 50.0), 14)
    assert [frame.index for frame in frames] == list(range(14))
    assert all(frame.is_live for frame in frames)
    np.testing.assert_allclose(np.diff([frame.time_s for frame in frames]), 0.02, atol=1e-5)
    assert np.array_equal(frames[0].image, frames[6].image)  # it began again
    assert not np.array_equal(frames[0].image, frames[3].image)


def test_a_frame_is_captured_when_it_was_due_and_says_how_long_its_decoding_took(clip):
    stop = threading.Event()
    generator = ReplaySource(clip, "camera", 20.0).frames(stop)
    first = next(generator)
    time.sleep(0.18)  # whoever reads it is slow: the camera does not wait
    late = next(generator)
    generator.close()
    assert late.time_s - first.time_s == pytest.approx(0.05, abs=1e-5)
    assert time.time() - late.time_s > 0.1
    begin_s, end_s = late.decoding_s
    assert first.decoding_s[1] <= begin_s < end_s <= time.monotonic()


def test_cameras_need_not_be_in_step_nor_before_the_same_scene(clip):
    plain, shifted = (frames_of(ReplaySource(clip, "camera", 100.0, skip=skip), 4) for skip in (0, 2))
    assert np.array_equal(plain[2].image, shifted[0].image)
    assert np.array_equal(plain[3].image, shifted[1].image)
    assert [frame.index for frame in shifted] == [0, 1, 2, 3]


def test_more_frames_may_be_passed_over_than_there_are(clip):
    assert len(frames_of(ReplaySource(clip, "camera", 100.0, skip=50), 8)) == 8


def test_a_reader_who_is_too_slow_loses_frames_as_from_a_camera(clip):
    with FrameCollector([ReplaySource(clip, "camera", 200.0)]) as collector:
        for _ in range(5):
            assert collector.take(5.0) is not None
            time.sleep(0.03)
        (status,) = collector.statuses()
    assert status.dropped > 0


def test_what_is_no_video_is_told(tmp_path):
    (tmp_path / "broken.mp4").write_bytes(b"no video at all")
    with pytest.raises(SourceError, match="camera 1"):
        frames_of(ReplaySource(tmp_path / "broken.mp4", "camera 1", 10.0), 1)


@pytest.mark.parametrize("skip", [0, 3])
def test_a_video_without_a_frame_ends_with_an_error_and_not_never(clip, monkeypatch, skip):
    source, stop = ReplaySource(clip, "camera", 100.0, skip=skip), threading.Event()
    monkeypatch.setattr(source, "_images", lambda: (image for image in ()))
    ender = threading.Timer(5.0, stop.set)
    ender.start()
    with pytest.raises(SourceError, match="has no frame"):
        list(source.frames(stop))
    ender.cancel()


@pytest.mark.parametrize("options", [{"fps": 0}, {"fps": 10, "phase": 2}, {"fps": 10, "skip": -1}])
def test_impossible_replays_are_refused(clip, options):
    with pytest.raises(UsageError):
        ReplaySource(clip, "camera", **options)
