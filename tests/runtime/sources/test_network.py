"""Network streams from a real RTSP server, and from a web server."""

from __future__ import annotations

import functools
import http.server
import itertools
import logging
import threading
import time
from contextlib import closing

import numpy as np
import pytest

from fsrfer.core.errors import SourceError
from fsrfer.runtime.frame import Clock
from fsrfer.runtime.sources import FrameCollector, ReconnectPolicy, open_source, parse_source
from fsrfer.runtime.sources.live import LiveSource
from fsrfer.runtime.sources.network import connect_stream
from fsrfer.runtime.sources.source import RefusedError

QUICK = ReconnectPolicy(first_delay_s=0.05, max_delay_s=0.2, initial_attempts=3)


def take(source, count):
    with closing(source.frames(threading.Event())) as frames:
        return list(itertools.islice(frames, count))


def test_frames_arrive_with_rising_wall_times(camera):
    frames = take(open_source(parse_source(camera.address)), 20)
    times = np.array([frame.time_s for frame in frames])
    assert [frame.index for frame in frames] == list(range(20))
    assert {frame.clock for frame in frames} == {Clock.WALL}
    assert frames[0].image.shape == (64, 96, 3)
    assert frames[0].image[32, 20, 0] > frames[0].image[32, 20, 2]
    assert np.all(np.diff(times) > 0)
    assert abs(times[-1] - time.time()) < 30


def test_a_restarted_camera_is_found_again(camera, caplog):
    source = open_source(parse_source(camera.address), QUICK)
    with closing(source.frames(threading.Event())) as frames:
        before = list(itertools.islice(frames, 5))
        camera.kill()
        camera.start()
        # What was decoded before the end may still come; a reconnect shows in the counter.
        after = next(frame for frame in frames if source.reconnects == 1)
    assert after.index > before[-1].index
    assert after.time_s > before[-1].time_s
    assert "disconnected" in caplog.text
    assert "connected again" in caplog.text


def test_a_silent_camera_counts_as_lost(camera):
    connection = connect_stream(camera.address, timeout_s=1.0)
    next(connection.images)
    camera.stall()
    with pytest.raises(SourceError, match="lost rtsp://"):
        for _ in connection.images:
            pass


def test_nobody_listening_is_a_failure_after_some_attempts(caplog, rtsp_clip):
    source = open_source(parse_source("rtsp://admin:hunter2@127.0.0.1:1/camera"), QUICK)
    with pytest.raises(SourceError, match=r"gave up .* after 3 attempts.*Connection refused"):
        take(source, 1)
    assert caplog.text.count("trying again") == 2
    assert "hunter2" not in caplog.text


def test_the_right_password_opens_the_stream(locked_camera):
    source = open_source(parse_source(locked_camera.address))
    assert take(source, 2)[0].source == f"rtsp://***@127.0.0.1:{locked_camera.port}/camera"


def test_a_wrong_password_fails_at_once_and_stays_secret(locked_camera, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    wrong = locked_camera.address.replace("hunter2", "letmein")
    with pytest.raises(RefusedError) as caught:
        take(open_source(parse_source(wrong)), 1)
    output = capfd.readouterr()
    assert "letmein" not in str(caught.value) + caplog.text + output.out + output.err
    assert not caplog.text.count("trying again")


def test_a_stop_interrupts_the_wait_between_attempts(rtsp_clip):
    policy = ReconnectPolicy(first_delay_s=60, max_delay_s=60, jitter=0)
    with FrameCollector([open_source(parse_source("rtsp://127.0.0.1:1/camera"), policy)]) as collector:
        assert collector.take(0.3) is None
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("fsrfer-source")]


@pytest.fixture
def web_server(tmp_path):
    handler = functools.partial(_QuietHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class _QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *words):
        pass


def test_a_file_on_a_web_server_ends_like_a_file(web_server, tmp_path, make_clip):
    make_clip(tmp_path / "clip.mp4", 10)
    frames = take(LiveSource("web", lambda: connect_stream(f"{web_server}/clip.mp4"), QUICK), 100)
    assert len(frames) == 10
    assert {frame.clock for frame in frames} == {Clock.STREAM}


def test_a_file_that_is_not_on_the_web_server_fails(web_server):
    with pytest.raises(SourceError, match="Not Found"):
        take(open_source(parse_source(f"{web_server}/none.mp4"), QUICK), 1)
