"""Cameras that fail in all the ways that cameras do, beside one that does not."""

from __future__ import annotations

import contextlib
import logging
import re
import socket
import threading
import time
from contextlib import closing

import av
import numpy as np
import pytest

from fsrfer.core.errors import SourceError
from fsrfer.runtime.sources import (
    FrameCollector,
    ReconnectPolicy,
    SourceKind,
    SourceSettings,
    SourceSpec,
    SourceState,
    open_source,
)

QUICK = ReconnectPolicy(first_delay_s=0.05, max_delay_s=0.2, initial_attempts=3)
PATIENT = SourceSettings(start_timeout_s=30.0, read_timeout_s=30.0)  # where a busy machine must not look like an outage


def network_source(name, address, settings=PATIENT, policy=QUICK):
    return open_source(SourceSpec(SourceKind.NETWORK, name, address, settings=settings), policy)


class Watch:
    """Takes frames of all sources until something is so, and counts them."""

    def __init__(self, collector):
        self._collector = collector

    def until(self, condition, seconds=30.0):
        deadline = time.monotonic() + seconds
        taken = {}
        while not condition():
            assert time.monotonic() < deadline, f"in vain; {self._collector.statuses()}"
            frame = self._collector.take(0.05)
            if frame is not None:
                taken.setdefault(frame.source, []).append(frame)
        return taken

    def status(self, name):
        return next(status for status in self._collector.statuses() if status.name == name)

    def reconnected(self, name, times):
        return lambda: self.status(name).reconnects == times

    def given(self, name, count):
        """Whether a source gave so many frames more than now."""
        before = self.status(name).frames
        return lambda: self.status(name).frames >= before + count


@contextlib.contextmanager
def watching(*sources):
    with FrameCollector(sources) as collector:
        yield Watch(collector)


def warnings_about(caplog, name):
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING and name in r.getMessage()]


# What a busy machine may make of a camera's pictures, and what is told the first time only.
SAID_ONCE = re.compile("cannot be decoded and is left out|left out to catch up")


@pytest.mark.slow
def test_a_camera_may_be_killed_and_restarted_twenty_times(start_camera, caplog):
    caplog.set_level(logging.DEBUG)
    steady, flapping = start_camera(), start_camera(login=("admin", "hunter2"))
    sources = [network_source("steady", steady.address), network_source("flapping", flapping.address)]
    with watching(*sources) as watch:
        watch.until(watch.given("flapping", 1))
        for times in range(1, 21):
            flapping.kill()
            watch.until(watch.given("steady", 2))
            flapping.start()
            watch.until(watch.reconnected("flapping", times))
        assert watch.status("steady").reconnects == 0
        assert watch.status("flapping").state is SourceState.UP
    said = warnings_about(caplog, "flapping")
    assert sum("connected again" in text for text in said) == 20
    assert sum("trying again" in text for text in said) == 20
    once = [text for text in said if SAID_ONCE.search(text)]
    assert len(once) == len({SAID_ONCE.search(text).group() for text in once})
    assert len(said) - len(once) == 40  # and nothing a frame
    assert not warnings_about(caplog, "steady")
    assert "hunter2" not in caplog.text


@pytest.mark.parametrize(
    ("read_timeout_s", "stalled_s"), [(2.0, 4.0), pytest.param(6.0, 30.0, marks=pytest.mark.slow, id="long")]
)
def test_a_stalled_camera_is_noticed_and_comes_back(start_camera, caplog, read_timeout_s, stalled_s):
    settings = SourceSettings(start_timeout_s=5.0, read_timeout_s=read_timeout_s)
    steady, stalling = start_camera(), start_camera()
    sources = [network_source("steady", steady.address), network_source("stalling", stalling.address, settings)]
    with watching(*sources) as watch:
        watch.until(watch.given("stalling", 3))
        stalling.stall()
        begin_s = time.monotonic()
        watch.until(lambda: warnings_about(caplog, "stalling"))
        noticed_s = time.monotonic() - begin_s
        watch.until(lambda: time.monotonic() - begin_s > stalled_s, seconds=2 * stalled_s)
        watch.until(watch.given("steady", 2))
        stalling.resume()
        watch.until(watch.reconnected("stalling", 1))
        watch.until(watch.given("stalling", 3))
        assert watch.status("steady").reconnects == 0
    assert noticed_s > read_timeout_s / 2
    assert len(warnings_about(caplog, "stalling")) == 2
    assert not warnings_about(caplog, "steady")


def noisy_pictures(count, size):
    """Pictures with enough in them that damage shows."""
    rng = np.random.default_rng(7)
    ground = rng.integers(0, 256, (size[1], size[0], 3), np.uint8)
    return [np.roll(ground, (index, 2 * index), axis=(0, 1)) for index in range(count)]


def write_h264(path, pictures):
    options = {"tune": "zerolatency", "x264-params": "aud=1:keyint=10:scenecut=0:repeat-headers=1:annexb=1:slices=1"}
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options=options)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


DELIMITER = b"\x00\x00\x00\x01\x09"


def access_units(path):
    return [DELIMITER + unit for unit in path.read_bytes().split(DELIMITER) if unit]


def decoded(path):
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_garbage_in_a_stream_is_counted_and_never_shown(start_camera, tmp_path, caplog):
    whole = write_h264(tmp_path / "whole.h264", noisy_pictures(40, (96, 64)))
    units = access_units(whole)
    for broken in (5, 16):  # not all garbage can be told from pictures: what is read of this ends in nonsense
        unit = bytearray(units[broken])
        middle = len(unit) // 2
        unit[middle : middle + 48] = bytes([0xA5]) * 48
        units[broken] = bytes(unit)
    (tmp_path / "broken.h264").write_bytes(b"".join(units))
    steady, broken = start_camera(whole), start_camera(tmp_path / "broken.h264")
    sources = [network_source("steady", steady.address), network_source("broken", broken.address)]
    with watching(*sources) as watch:
        taken = watch.until(watch.given("broken", 50))
        assert watch.status("broken").reconnects == 0
    possible = decoded(whole)
    for frame in taken["broken"]:
        assert min(np.abs(frame.image.astype(int) - picture).max() for picture in possible) == 0
    assert sources[1].counters["decode_errors"] >= 2
    assert sources[1].counters["damaged"] > sources[1].counters["decode_errors"]
    assert sources[0].counters == dict.fromkeys(("skipped", "decode_errors", "damaged", "behind", "hung"), 0)
    assert len(warnings_about(caplog, "broken")) == 1


def test_the_resolution_may_change_in_the_middle(start_camera, tmp_path, caplog):
    small = write_h264(tmp_path / "small.h264", noisy_pictures(20, (96, 64)))
    large = write_h264(tmp_path / "large.h264", noisy_pictures(20, (160, 128)))
    (tmp_path / "both.h264").write_bytes(small.read_bytes() + large.read_bytes())
    changing = start_camera(tmp_path / "both.h264")
    settings = SourceSettings(region=(0.5, 0.0, 1.0, 1.0), start_timeout_s=30.0, read_timeout_s=30.0)
    source = network_source("changing", changing.address, settings)
    with closing(source.frames(threading.Event())) as frames:
        shapes = [next(frames) for _ in range(60)]
    regions = {(frame.width, frame.height): frame.settings.region_px(frame.width, frame.height) for frame in shapes}
    assert regions == {(96, 64): (48, 0, 96, 64), (160, 128): (80, 0, 160, 128)}
    assert source.reconnects == 0
    assert not caplog.records


@pytest.fixture
def silent_port():
    """A port that accepts connections and says nothing."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(50)
        yield server.getsockname()[1]


@pytest.fixture
def black_hole_port():
    """A port that answers no SYN: its queue is full."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.socket())
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                filler.connect(server.getsockname())
        yield server.getsockname()[1]


@pytest.mark.parametrize("port", ["silent_port", "black_hole_port"])
@pytest.mark.parametrize("scheme", ["rtsp", "rtsps", "http", "https"])
def test_who_never_answers_is_given_up_in_time(request, mjpeg_camera, caplog, scheme, port):
    address = f"{scheme}://admin:hunter2@127.0.0.1:{request.getfixturevalue(port)}/camera"
    settings = SourceSettings(start_timeout_s=0.5)
    sources = [network_source("steady", mjpeg_camera().address), network_source("mute", address, settings)]
    with watching(*sources) as watch:
        watch.until(lambda: watch.status("mute").state is SourceState.FAILED)
        error = watch.status("mute").error
        watch.until(watch.given("steady", 2))
    assert isinstance(error, SourceError)
    assert "gave up on mute after 3 attempts" in str(error)
    assert "no answer for 0.5 s" in str(error) or "silent" in str(error)
    assert "hunter2" not in caplog.text + str(error)
    assert not [thread for thread in threading.enumerate() if thread.name == "fsrfer-connection mute"]


def test_a_picture_that_breaks_off_is_not_shown(mjpeg_camera, caplog):
    dying = mjpeg_camera(whole_pictures=5)
    sources = [network_source("steady", mjpeg_camera().address), network_source("dying", dying.address)]
    with watching(*sources) as watch:
        taken = watch.until(watch.reconnected("dying", 3))
        assert watch.status("steady").reconnects == 0
    assert dying.connections >= 4
    for frame in taken["dying"]:
        assert np.ptp(frame.image) <= 2  # a picture of one grey, down to its last row
    assert 3 <= sources[1].counters["decode_errors"] <= 4
    assert sum("cannot be decoded" in text for text in warnings_about(caplog, "dying")) == 1
    assert sum("connected again" in text for text in warnings_about(caplog, "dying")) == 3


def test_sound_does_not_hide_that_the_picture_stands_still(tmp_path):
    path = tmp_path / "sound.ts"
    write_with_sound(path, pictures=10, sound_s=60.0)
    with streaming(path, bytes_a_second=path.stat().st_size / 20) as address:
        source = network_source("talking", address, SourceSettings(start_timeout_s=30.0, read_timeout_s=1.0))
        with closing(source.frames(threading.Event())) as frames:
            assert next(frame for frame in frames if source.reconnects).width == 96
            # While the sound still goes on, the read that it kept alive is over too.
            deadline = time.monotonic() + 10
            while sum(thread.name == "fsrfer-connection talking" for thread in threading.enumerate()) > 1:
                assert time.monotonic() < deadline
                time.sleep(0.05)


def write_with_sound(path, *, pictures, sound_s):
    """A transport stream whose sound goes on for long after its last picture."""
    with av.open(str(path), "w", format="mpegts") as container:
        video = container.add_stream("libx264", rate=25, options={"tune": "zerolatency"})
        video.width, video.height, video.pix_fmt = 96, 64, "yuv420p"
        audio = container.add_stream("mp2", rate=48_000)
        for index in range(pictures):
            picture = np.full((64, 96, 3), 10 * index, np.uint8)
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(video.encode(None))
        noise = np.random.default_rng(0).integers(-999, 999, (1, 1152), np.int16)
        for index in range(round(sound_s * 48_000 / 1152)):
            frame = av.AudioFrame.from_ndarray(noise, format="s16", layout="mono")
            frame.sample_rate, frame.pts = 48_000, 1152 * index
            container.mux(audio.encode(frame))
        container.mux(audio.encode(None))


@contextlib.contextmanager
def streaming(path, *, bytes_a_second):
    """Send a file to each who connects, evenly, as a live stream of unknown length."""
    data = path.read_bytes()
    over = threading.Event()

    def serve(connection):
        with connection, contextlib.suppress(OSError):
            connection.recv(4096)
            connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: video/mp2t\r\n\r\n")
            for begin in range(0, len(data), 1880):
                connection.sendall(data[begin : begin + 1880])
                if over.wait(1880 / bytes_a_second):
                    return

    def accept():
        while not over.is_set():
            with contextlib.suppress(TimeoutError):
                threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        thread = threading.Thread(target=accept)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/live.ts"
        over.set()
        thread.join()
