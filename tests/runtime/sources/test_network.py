"""Network streams from a real RTSP server, and from a web server."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from contextlib import closing

import numpy as np
import pytest

from fsrfer.core.errors import SourceError
from fsrfer.runtime.frame import Clock
from fsrfer.runtime.sources import (
    FrameCollector,
    ReconnectPolicy,
    SourceKind,
    SourceSettings,
    SourceSpec,
    Transport,
    open_source,
    parse_source,
)
from fsrfer.runtime.sources.live import LiveSource
from fsrfer.runtime.sources.network import connect_stream
from fsrfer.runtime.sources.source import RefusedError

QUICK = ReconnectPolicy(first_delay_s=0.05, max_delay_s=0.2, initial_attempts=3)


def take(source, count):
    with closing(source.frames(threading.Event())) as frames:
        return list(itertools.islice(frames, count))


@pytest.mark.parametrize("transport", list(Transport))
def test_frames_arrive_with_rising_wall_times(camera, transport):
    settings = SourceSettings(transport=transport)
    spec = SourceSpec(SourceKind.NETWORK, "gate", camera.address, settings=settings)
    frames = take(open_source(spec), 20)
    times = np.array([frame.time_s for frame in frames])
    assert [frame.index for frame in frames] == list(range(20))
    assert {(frame.source, frame.clock, frame.settings) for frame in frames} == {("gate", Clock.WALL, settings)}
    assert frames[0].image.shape == (64, 96, 3)
    assert frames[0].image[32, 20, 0] > frames[0].image[32, 20, 2]
    assert np.all(np.diff(times) > 0)
    assert abs(times[-1] - time.time()) < 30


def test_frames_above_the_rate_are_left_out_and_counted(camera):
    spec = SourceSpec(SourceKind.NETWORK, "gate", camera.address, settings=SourceSettings(max_fps=5))
    source = open_source(spec)
    frames = take(source, 10)
    assert np.diff([frame.time_s for frame in frames]).mean() == pytest.approx(0.2, abs=0.03)
    assert 30 <= source.counters["skipped"] <= 45  # four of five


def test_nobody_listening_is_a_failure_after_some_attempts(caplog):
    source = open_source(parse_source("rtsp://admin:hunter2@127.0.0.1:1/camera"), QUICK)
    with pytest.raises(SourceError, match=r"gave up .* after 3 attempts.*Connection refused"):
        take(source, 1)
    assert caplog.text.count("trying again") == 1
    assert "hunter2" not in caplog.text


@pytest.mark.parametrize("method", ["basic", "digest"])
def test_the_right_password_opens_the_stream(start_camera, method):
    locked = start_camera(login=("admin", "hunter2"), method=method)
    assert take(open_source(parse_source(locked.address)), 2)[0].source == f"rtsp://***@127.0.0.1:{locked.port}/camera"


@pytest.mark.parametrize("method", ["basic", "digest"])
def test_a_wrong_password_fails_at_once_and_stays_secret(start_camera, method, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    wrong = start_camera(login=("admin", "hunter2"), method=method).address.replace("hunter2", "letmein")
    with pytest.raises(RefusedError) as caught:
        take(open_source(parse_source(wrong)), 1)
    output = capfd.readouterr()
    assert "letmein" not in str(caught.value) + caplog.text + output.out + output.err
    assert not caplog.text.count("trying again")


def test_a_stop_interrupts_the_wait_between_attempts():
    policy = ReconnectPolicy(first_delay_s=60, max_delay_s=60, jitter=0)
    with FrameCollector([open_source(parse_source("rtsp://127.0.0.1:1/camera"), policy)]) as collector:
        assert collector.take(0.3) is None
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("fsrfer-")]


def test_a_file_on_a_web_server_ends_like_a_file(web_server, tmp_path, make_clip):
    make_clip(tmp_path / "clip.mp4", 10)
    frames = take(LiveSource("web", lambda: connect_stream(f"{web_server}/clip.mp4"), QUICK), 100)
    assert len(frames) == 10
    assert {frame.clock for frame in frames} == {Clock.STREAM}


def test_a_file_that_is_not_on_the_web_server_fails(web_server):
    with pytest.raises(SourceError, match="Not Found"):
        take(open_source(parse_source(f"{web_server}/none.mp4"), QUICK), 1)
