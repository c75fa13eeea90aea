"""Cameras and clips for the tests of the sources."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

SERVER = Path(__file__).with_name("rtsp_server.py")
SYSTEM_PYTHON = "/usr/bin/python3"
PROBE = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
PACKAGES = (
    "gir1.2-gst-rtsp-server-1.0 python3-gi gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad"
)


def gray_level(index: int) -> int:
    """Brightness of frame ``index`` of a test clip."""
    return 20 + 5 * (index % 40)


@pytest.fixture(scope="session")
def make_clip():
    """Writer of clips whose frames differ in brightness: ``make_clip(path, frames, times=None, ...)``."""

    def write(path: Path, frames: int = 12, *, times=None, codec="libx264", size=(96, 64), options=None) -> Path:
        base = Fraction(1, 90_000)
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=25, options=options or {})
            stream.width, stream.height = size
            stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            stream.codec_context.time_base = base
            for index in range(frames):
                image = np.full((size[1], size[0], 3), gray_level(index), np.uint8)
                image[:, : size[0] // 2, 0] = 200  # the left half is red: tells left from right, and RGB from BGR
                frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                time_s = index / 25 if times is None else times[index]
                frame.pts, frame.time_base = round(time_s / base), base
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return path

    return write


class RtspCamera:
    """An RTSP server that can be killed, stalled and brought back on the same port."""

    def __init__(self, clip: Path, credentials: tuple[str, ...] = ()) -> None:
        self._clip = clip
        self._credentials = credentials
        self.port = free_port()
        self._process: subprocess.Popen[str] | None = None

    @property
    def address(self) -> str:
        login = ":".join(self._credentials) + "@" if self._credentials else ""
        return f"rtsp://{login}127.0.0.1:{self.port}/camera"

    def start(self) -> None:
        command = [SYSTEM_PYTHON, str(SERVER), str(self._clip), str(self.port), *self._credentials]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        readable, _, _ = select.select([self._process.stdout], [], [], 20)
        assert readable, "the RTSP server does not start"
        assert self._process.stdout.readline() == "ready\n"

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None

    def stall(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def has_rtsp_server() -> bool:
    if not Path(SYSTEM_PYTHON).is_file():
        return False
    return subprocess.run([SYSTEM_PYTHON, "-c", PROBE], stderr=subprocess.DEVNULL, check=False).returncode == 0


@pytest.fixture(scope="session")
def rtsp_clip(tmp_path_factory, make_clip) -> Path:
    """A raw H.264 stream with delimiters and a key frame every 10 frames."""
    if not has_rtsp_server():
        pytest.skip(f"needs the Debian packages {PACKAGES}")
    options = {"tune": "zerolatency", "x264-params": "aud=1:keyint=10:repeat-headers=1:annexb=1"}
    return make_clip(tmp_path_factory.mktemp("rtsp") / "clip.h264", 40, options=options)


@pytest.fixture
def camera(rtsp_clip):
    """A running RTSP camera."""
    running = RtspCamera(rtsp_clip)
    running.start()
    yield running
    running.kill()


@pytest.fixture
def locked_camera(rtsp_clip):
    """A running RTSP camera that wants a password."""
    running = RtspCamera(rtsp_clip, ("admin", "hunter2"))
    running.start()
    yield running
    running.kill()
