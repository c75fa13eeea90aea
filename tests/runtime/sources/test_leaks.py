"""Connections that come and go for months leave nothing behind."""

from __future__ import annotations

import gc
import itertools
import os
import socket
import threading
from contextlib import closing
from pathlib import Path

import pytest

from fsrfer.core.errors import SourceError
from fsrfer.runtime.sources import ReconnectPolicy, SourceKind, SourceSettings, SourceSpec, open_source

IMMEDIATE = ReconnectPolicy(first_delay_s=1e-3, max_delay_s=2e-3, initial_attempts=None, settle_s=0.0)
SHORT = SourceSettings(start_timeout_s=5.0, read_timeout_s=5.0)


def network_source(address, policy=IMMEDIATE, settings=SHORT):
    return open_source(SourceSpec(SourceKind.NETWORK, "gate", address, settings=settings), policy)


class Footprint:
    """Descriptors, threads and memory of this process."""

    def __init__(self):
        gc.collect()
        self.descriptors = sum(1 for _ in Path("/proc/self/fd").iterdir())
        self.threads = {thread for thread in threading.enumerate() if thread.name.startswith("fsrfer-")}
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        self.resident_mb = pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def assert_flat(before, after):
    # A server in the same process may hold the last connection a little longer.
    assert after.descriptors <= before.descriptors + 4
    assert len(after.threads) <= len(before.threads)
    assert after.resident_mb < before.resident_mb + 10


def reconnected(frames, source, times):
    return next(frame for frame in frames if source.reconnects == times)


@pytest.mark.slow
def test_two_hundred_losses_leave_nothing_behind(mjpeg_camera):
    camera = mjpeg_camera(interval_s=0.0, whole_pictures=6)
    source = network_source(camera.address)
    with closing(source.frames(threading.Event())) as frames:
        reconnected(frames, source, 50)  # what is loaded and cached on first use is no leak
        before = Footprint()
        reconnected(frames, source, 250)
        after = Footprint()
    assert_flat(before, after)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("fsrfer-")]


@pytest.mark.slow
def test_rtsp_losses_leave_nothing_behind(start_camera):
    camera = start_camera()
    source = network_source(camera.address)

    def connect(times):
        for _ in range(times):
            with closing(source.frames(threading.Event())) as frames:
                assert len(list(itertools.islice(frames, 2))) == 2

    connect(10)
    before = Footprint()
    connect(40)
    assert_flat(before, Footprint())


@pytest.mark.parametrize(
    "answer", [None, b"", b"HTTP/1.0 503 Busy\r\n\r\n", b"HTTP/1.0 200 OK\r\n\r\nthis is no video"]
)
def test_failures_to_open_leave_nothing_behind(answer):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1] if answer is not None else 1

        def serve():
            while True:
                try:
                    connection = server.accept()[0]
                except OSError:
                    return
                with connection:
                    connection.recv(4096)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        if answer is not None:
            thread.start()

        def fail(times):
            policy = ReconnectPolicy(first_delay_s=1e-3, max_delay_s=2e-3, initial_attempts=times)
            source = network_source(f"http://127.0.0.1:{port}/video", policy)
            with (
                closing(source.frames(threading.Event())) as frames,
                pytest.raises(SourceError, match="gave up on gate"),
            ):
                next(frames)

        fail(20)
        before = Footprint()
        fail(200)
        assert_flat(before, Footprint())
        server.shutdown(socket.SHUT_RDWR)
        if answer is not None:
            thread.join()
