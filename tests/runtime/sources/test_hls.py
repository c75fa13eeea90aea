"""HTTP live streaming, from a real muxer and a web server."""

from __future__ import annotations

import itertools
import threading
import time
from contextlib import closing, contextmanager

import av
import numpy as np
import pytest

from fsrfer.runtime.frame import Clock
from fsrfer.runtime.sources import ReconnectPolicy, SourceKind, SourceSettings, SourceSpec, open_source

QUICK = ReconnectPolicy(first_delay_s=0.05, max_delay_s=0.2)


class Broadcast:
    """Writes segments of a second, each when its time has come."""

    def __init__(self, playlist):
        self.is_on_air = threading.Event()
        self.is_on_air.set()
        self._playlist = playlist
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._write)

    def _write(self):
        options = {"hls_time": "1", "hls_list_size": "4", "hls_flags": "delete_segments"}
        with av.open(str(self._playlist), "w", format="hls", options=options) as container:
            stream = container.add_stream("libx264", rate=25, options={"tune": "zerolatency", "g": "25"})
            stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
            for index in itertools.count():
                self.is_on_air.wait()
                if self._is_over.wait(0.04):
                    break
                picture = np.full((64, 96, 3), index % 200, np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(stream.encode(None))

    @contextmanager
    def running(self):
        self._thread.start()
        try:
            while not (self._playlist.is_file() and self._playlist.read_text().count("EXTINF") >= 3):
                time.sleep(0.05)
            yield self
        finally:
            self.end()

    def end(self):
        self.is_on_air.set()
        self._is_over.set()
        self._thread.join()


def write_rendition(folder, name, size):
    options = {"hls_time": "1", "hls_list_size": "0", "hls_segment_filename": str(folder / f"{name}%d.ts")}
    with av.open(str(folder / f"{name}.m3u8"), "w", format="hls", options=options) as container:
        stream = container.add_stream("libx264", rate=25, options={"g": "25", "sc_threshold": "0"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for index in range(250):
            picture = np.full((size[1], size[0], 3), index % 200, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


def test_of_several_renditions_the_largest_is_read(web_server, tmp_path):
    write_rendition(tmp_path, "low", (96, 64))
    write_rendition(tmp_path, "high", (192, 128))
    (tmp_path / "master.m3u8").write_text(
        "#EXTM3U\n"
        "#EXT-X-STREAM-INF:BANDWIDTH=100000,RESOLUTION=96x64\nlow.m3u8\n"
        "#EXT-X-STREAM-INF:BANDWIDTH=400000,RESOLUTION=192x128\nhigh.m3u8\n"
    )
    source = open_source(SourceSpec(SourceKind.NETWORK, "tv", f"{web_server}/master.m3u8"))
    frames = list(source.frames(threading.Event()))
    assert len(frames) == 250
    assert {(frame.width, frame.height, frame.clock) for frame in frames} == {(192, 128, Clock.STREAM)}


@pytest.mark.slow
def test_segments_are_spread_out_and_a_stop_of_the_broadcast_is_noticed(web_server, tmp_path, caplog):
    settings = SourceSettings(read_timeout_s=3.0)
    spec = SourceSpec(SourceKind.NETWORK, "tv", f"{web_server}/live.m3u8", settings=settings)
    source = open_source(spec, QUICK)
    with Broadcast(tmp_path / "live.m3u8").running() as broadcast, closing(source.frames(threading.Event())) as frames:
        taken = list(itertools.islice(frames, 75))
        assert {frame.clock for frame in taken} == {Clock.WALL}
        # Three seconds of pictures; as they come, most would come in three bursts.
        steps = np.diff([frame.time_s for frame in taken])
        assert np.mean((steps > 0.02) & (steps < 0.1)) > 0.9
        broadcast.is_on_air.clear()
        assert next(frame for frame in frames if source.reconnects == 1)
        broadcast.is_on_air.set()
        assert len(list(itertools.islice(frames, 100))) == 100
        broadcast.end()
        # A playlist that says its end is a recording.
        recording = open_source(SourceSpec(SourceKind.NETWORK, "tv", f"{web_server}/live.m3u8"), QUICK)
        assert {frame.clock for frame in recording.frames(threading.Event())} == {Clock.STREAM}
    assert caplog.text.count("tv is silent; found no picture for 3 s") >= 1
