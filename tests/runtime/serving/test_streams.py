"""Streams of events and pictures, over real connections."""

import json
import socket
import threading
import time
from contextlib import closing
from pathlib import Path

import cv2
import httpx
import jsonschema
import numpy as np
import pytest

from fsrfer.runtime.groups import GroupConfig
from fsrfer.runtime.serving import LiveHub, LiveServer, ServingOptions
from fsrfer.runtime.sinks.records import output_schema

NAMES = ("hall", "gate")
PATIENCE_S = 30.0


def events_of(lines):
    """Events of a stream of lines, as (kind, id, data)."""
    event = {}
    for line in lines:
        if line:
            name, _, value = line.partition(":")
            event[name] = value.strip()
        else:
            if "data" in event:
                yield event["event"], event["id"], json.loads(event["data"])
            event = {}


def wait_until(condition):
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def slow_client(server, path):
    host, port = server.address.removeprefix("http://").rstrip("/").rsplit(":", 1)
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(PATIENCE_S)
    client.connect((host, int(port)))
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    return client


class TestEvents:
    def take(self, feed, client, count, **request):
        """Open the stream, let the crowds go on, and take some events."""
        with client.stream("GET", "/api/v1/events", **request) as answer:
            assert answer.headers["Content-Type"].startswith("text/event-stream")
            wait_until(lambda: feed.hub.events.is_watched)
            for second in range(count):
                feed.step(1000.0 + second)
            events = events_of(answer.iter_lines())
            return [next(events) for _ in range(count)]

    def test_results_and_windows_come_as_every_sink_gives_them(self, serve):
        _, feed, client = serve(NAMES)
        validator = jsonschema.Draft202012Validator(output_schema())
        taken = self.take(feed, client, 9)
        for _, _, data in taken:
            validator.validate(data)
            assert data["source_id"] in NAMES
        assert {kind for kind, *_ in taken} == {"result", "window"}
        numbers = [int(identity.partition("-")[2]) for _, identity, _ in taken]
        assert numbers == sorted(numbers)

    @pytest.mark.parametrize("kind", ["result", "window"])
    def test_of_one_kind(self, serve, kind):
        _, feed, client = serve(NAMES)
        assert {found for found, *_ in self.take(feed, client, 5, params={"kind": kind})} == {kind}

    def test_of_one_source(self, serve):
        _, feed, client = serve(NAMES)
        taken = self.take(feed, client, 5, params={"source": "gate"})
        assert {data["source"] for *_, data in taken} == {"gate"}

    def test_a_client_that_comes_back_learns_what_it_missed(self, serve):
        _, feed, client = serve(NAMES)
        (_, identity, _), *_ = self.take(feed, client, 1, params={"kind": "result"})
        wait_until(lambda: not feed.hub.events.is_watched)
        missed_from = int(identity.partition("-")[2])
        for _ in range(3):
            feed.step(5000.0)
        with client.stream("GET", "/api/v1/events", headers={"Last-Event-ID": identity}) as answer:
            kind, _, data = next(events_of(answer.iter_lines()))
        assert kind == "lost"
        assert data["events"] == feed.hub.events.newest - missed_from

    def test_a_slow_client_loses_events_and_holds_nobody_up(self, serve, make_feed):
        hub = LiveHub()
        server, feed, client = serve(hub=hub, feed=make_feed(hub, NAMES, groups=GroupConfig(window_s=1e9)))
        first = hub.events.newest
        with closing(slow_client(server, "/api/v1/events")) as slow:
            wait_until(lambda: hub.events.is_watched)
            # Beyond what the buffers of the system take, or nothing would be lost.
            for _ in range(4000):
                feed.step()
            fast = self.take(feed, client, 3, params={"kind": "result"})
            assert [kind for kind, *_ in fast] == ["result"] * 3
            received, lost, rest = 0, 0, b""
            while received + lost < hub.events.newest - first:
                *lines, rest = (rest + slow.recv(1 << 16)).split(b"\n")
                received += sum(line in (b"event: result", b"event: window") for line in lines)
                lost += sum(json.loads(line[5:])["events"] for line in lines if line.startswith(b'data: {"events"'))
        assert lost > 1000
        assert received + lost == hub.events.newest - first


class TestMotionJpeg:
    PATH = "/api/v1/sources/hall/stream.mjpeg"

    def parts(self, answer):
        """Pictures of a multipart body."""
        data = b""
        for chunk in answer.iter_raw():
            data += chunk
            while b"\r\n\r\n" in data:
                head, _, rest = data.partition(b"\r\n\r\n")
                assert head.startswith(b"--fsrfer-frame\r\nContent-Type: image/jpeg\r\n")  # the delimiter comes before
                length = int(head.rpartition(b"Content-Length: ")[2])
                if len(rest) < length + 2:
                    break
                assert rest[length : length + 2] == b"\r\n"
                yield rest[:length]
                data = rest[length + 2 :]

    def test_every_new_picture_comes(self, serve):
        _, feed, client = serve(NAMES, max_fps=50)
        with client.stream("GET", self.PATH, params={"size": "small"}) as answer:
            assert answer.headers["Content-Type"] == "multipart/x-mixed-replace; boundary=fsrfer-frame"
            pictures = []
            for picture in self.parts(answer):
                pictures.append(picture)
                if len(pictures) == 4:
                    break
                feed.step()
        assert len(set(pictures)) == 4
        shapes = {cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR).shape for picture in pictures}
        assert shapes == {(270, 480, 3)}

    def test_places_are_few_and_free_again_when_a_client_leaves(self, serve):
        server, _, client = serve(NAMES, max_streams=2)
        with closing(slow_client(server, self.PATH)), client.stream("GET", "/api/v1/events"):
            wait_until(lambda: client.get(self.PATH).status_code == 503)
            assert client.get("/api/v1/events").headers["Retry-After"] == "10"
            assert client.get("/api/v1/status").status_code == 200
        with client.stream("GET", "/api/v1/events"):
            pass

        def is_free():
            with client.stream("GET", self.PATH) as answer:
                return answer.status_code == 200

        wait_until(is_free)

    def test_a_client_that_takes_nothing_is_cut_off(self, make_feed):
        hub = LiveHub()
        options = ServingOptions(port=0, max_fps=100, max_streams=1, client_timeout_s=1.0)
        with make_feed(hub, NAMES, fps=100) as feed, LiveServer(hub, feed.report, options) as server:
            wait_until(lambda: hub.latest("hall"))
            with closing(slow_client(server, self.PATH)):

                def is_free():
                    with httpx.stream("GET", server.address + self.PATH[1:]) as answer:
                        return answer.status_code == 200

                wait_until(lambda: not is_free())
                wait_until(is_free)


def resident_mib():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20


@pytest.mark.slow
def test_slow_clients_do_not_make_memory_grow(make_feed):
    """Twenty clients that read nothing, while thousands of results with many faces go by."""
    hub = LiveHub()
    feed = make_feed(hub, ("hall",), people=22)
    paths = ("/api/v1/events", "/api/v1/sources/hall/stream.mjpeg?size=small")
    with LiveServer(hub, feed.report, ServingOptions(port=0, max_fps=100)) as server:
        feed.step()
        clients = [slow_client(server, paths[number % 2]) for number in range(20)]
        try:
            levels = []
            for _ in range(6):
                for _ in range(500):
                    feed.step()
                    time.sleep(0.002)
                levels.append(resident_mib())
        finally:
            for client in clients:
                client.close()
        assert httpx.get(server.address + "healthz").status_code == 200
    # The first round fills the ring and the buffers; from then on nothing may come.
    assert max(levels[2:]) - levels[1] < 20, levels
    assert threading.active_count() < 20
