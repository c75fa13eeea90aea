"""Cameras and clips for the tests of the sources."""

from __future__ import annotations

import contextlib
import functools
import http.server
import itertools
import os
import select
import signal
import socket
import subprocess
import threading
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path

import av
import cv2
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

    def __init__(self, clip: Path, login: tuple[str, str] | None = None, method: str = "basic") -> None:
        self._clip = clip
        self._login = login
        self._method = method
        self.port = free_port()
        self._process: subprocess.Popen[str] | None = None

    @property
    def address(self) -> str:
        login = ":".join(self._login) + "@" if self._login else ""
        return f"rtsp://{login}127.0.0.1:{self.port}/camera"

    def start(self) -> None:
        login = (self._method, *self._login) if self._login else ()
        command = [SYSTEM_PYTHON, str(SERVER), str(self._clip), str(self.port), *login]
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

    def resume(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)


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
def start_camera(rtsp_clip):
    """Starter of RTSP cameras: ``start_camera(clip=None, login=None, method="basic")``."""
    with ExitStack() as stack:

        def start(clip: Path | None = None, login: tuple[str, str] | None = None, method: str = "basic") -> RtspCamera:
            running = RtspCamera(clip or rtsp_clip, login, method)
            stack.callback(running.kill)
            running.start()
            return running

        yield start


@pytest.fixture
def camera(start_camera):
    """A running RTSP camera."""
    return start_camera()


@pytest.fixture
def web_server(tmp_path):
    """Address of a web server whose root is the test's own folder."""
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


class MjpegCamera:
    """A camera that sends JPEG pictures over HTTP and may hang up in the middle of one."""

    def __init__(self, *, interval_s: float = 0.02, whole_pictures: int | None = None) -> None:
        self._interval_s = interval_s
        self._whole_pictures = whole_pictures
        self.connections = 0
        camera = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                camera.connections += 1
                with contextlib.suppress(OSError):  # the other side hangs up at its pleasure
                    camera.send(self)

            def log_message(self, *words) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._server.serve_forever, name="mjpeg camera")

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/video"

    def send(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "multipart/x-mixed-replace; boundary=picture")
        handler.end_headers()
        for index in itertools.count():
            if self._is_over.is_set():
                return
            data = self.picture(index)
            part = b"--picture\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(data)
            if index == self._whole_pictures:
                handler.wfile.write(part + data[: len(data) // 2])
                return
            handler.wfile.write(part + data + b"\r\n")
            self._is_over.wait(self._interval_s)

    @staticmethod
    def picture(index: int) -> bytes:
        image = np.full((64, 96, 3), gray_level(index), np.uint8)
        return cv2.imencode(".jpg", image)[1].tobytes()

    def __enter__(self) -> MjpegCamera:
        self._thread.start()
        return self

    def __exit__(self, *error) -> None:
        self._is_over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def mjpeg_camera():
    """Starter of MJPEG cameras: ``mjpeg_camera(interval_s=0.02, whole_pictures=None)``."""
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(MjpegCamera(**options))
