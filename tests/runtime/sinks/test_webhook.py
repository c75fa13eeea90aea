"""Batches posted to a real web server on this machine."""

from __future__ import annotations

import contextlib
import email.utils
import hashlib
import hmac
import json
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from fsrfer.core.errors import UsageError
from fsrfer.runtime.sinks import (
    Content,
    OutboxLimits,
    PublishingSink,
    Secret,
    SinkError,
    WebhookConfig,
    WebhookTransport,
)
from fsrfer.runtime.sinks.http_client import _retry_after_s
from fsrfer.runtime.sources.reconnect import ReconnectPolicy

QUICK = ReconnectPolicy(first_delay_s=0.02, max_delay_s=0.1)
FACES = frozenset({Content.FACES})


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        self.server.owner.sockets.append(self.request)
        super().setup()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        owner = self.server.owner
        owner.posts.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
        status, headers = owner.answer(len(owner.posts) - 1)
        if status == 0:
            self.close_connection = True
            return
        content = b"" if status == 204 else b"hello"
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if content:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self) -> None:
        self.do_POST()

    def log_message(self, *_) -> None:
        pass


class HttpServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_) -> None:
        pass


class Server:
    """A web server that remembers what was posted, and answers as it is told.

    ``answer(number)`` gives the status and headers for the post of that number; status 0 hangs up.
    """

    def __init__(self, port: int = 0, certificate: tuple[Path, Path] | None = None) -> None:
        self.posts: list[tuple[str, dict[str, str], bytes]] = []
        self.sockets: list[socket.socket] = []
        self.answer: Callable[[int], tuple[int, dict[str, str]]] = lambda number: (204, {})
        self._server = HttpServer(("127.0.0.1", port), Handler)
        self._server.owner = self
        self.port = self._server.server_port
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?key=s3cret-key"

    @property
    def records(self) -> list[dict]:
        return [record for _, _, body in self.posts for record in json.loads(body)["records"]]

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        for connection in self.sockets:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def server():
    it = Server()
    yield it
    it.close()


def sink_to(url, *, limits=None, contents=FACES, **options) -> PublishingSink:
    config = WebhookConfig(**{"url": url, "batch_s": 0.05, "retry": QUICK, **options})
    return PublishingSink(WebhookTransport(config), contents, limits)


def said_in(caplog) -> list[str]:
    return [record.message for record in caplog.records if record.name.startswith("fsrfer")]


def test_records_of_all_kinds_arrive_in_batches(server, make_result, make_window, validator):
    with sink_to(server.url, contents=frozenset(Content)) as sink:
        for index in range(3):
            sink.write(make_result(index=index, time_s=float(index), ids=[1]))
        sink.write_window(make_window())
    for record in server.records:
        validator.validate(record)
    assert [record.get("type", "frame") for record in server.records] == [
        *("frame", "track", "frame", "frame", "window", "track")
    ]
    path, headers, body = server.posts[0]
    assert path == "/hook?key=s3cret-key"
    assert headers["content-type"] == "application/json"
    assert json.loads(body)["schema_version"] == 1
    assert (sink.delivered, sink.dropped, sink.refused, sink.failure) == (6, 0, 0, None)


def test_a_batch_is_as_large_as_it_may_be_and_one_connection_serves_all(server, make_result):
    with sink_to(server.url, batch_records=10, batch_s=60.0) as sink:
        for index in range(35):
            sink.write(make_result(index=index))
    assert [len(json.loads(body)["records"]) for _, _, body in server.posts] == [10, 10, 10, 5]
    assert [record["frame"] for record in server.records] == list(range(35))
    assert len(server.sockets) == 1


def test_a_batch_is_sent_after_its_time_even_if_it_is_small(server, make_result, eventually):
    with sink_to(server.url, batch_records=1000, batch_s=0.05) as sink:
        sink.write(make_result())
        eventually(lambda: sink.delivered == 1)


def test_a_batch_is_no_larger_in_bytes_than_servers_take(server, make_result):
    boxes = [(0, 0, 9, 9)] * 10
    with sink_to(server.url, batch_bytes=8000, batch_s=60.0) as sink:
        for index in range(9):
            sink.write(make_result(boxes, index=index))
        sink.write(make_result(boxes * 5, index=9))  # larger than a batch: it goes alone
    sizes = [len(body) for _, _, body in server.posts]
    assert all(size < 8100 for size in sizes[:-1])
    assert sizes[-1] > 8100
    assert [record["frame"] for record in server.records] == list(range(10))


def test_a_server_in_trouble_is_asked_again_with_the_same_batch(server, make_result, caplog, eventually):
    statuses = [500, 503, 429, 0, 200]
    server.answer = lambda number: (statuses[min(number, 4)], {})
    with sink_to(server.url) as sink:
        sink.write(make_result(index=0))
        eventually(lambda: sink.delivered == 1)
        sink.write(make_result(index=1))
    keys = [headers["idempotency-key"] for _, headers, _ in server.posts]
    # Where a kept connection turns out to be closed, it is tried once more at once: a hang-up counts twice.
    assert len(set(keys[:-1])) == 1
    assert keys[-1] != keys[0]
    assert len({body for _, _, body in server.posts[:-1]}) == 1
    assert (sink.delivered, sink.dropped, sink.refused, sink.outages) == (2, 0, 0, 1)
    first, second = said_in(caplog)
    assert "it answers 500 Internal Server Error" in first
    assert "again" in second


@pytest.mark.parametrize("status", [400, 401, 404, 413, 301, 302, 307, 308])
def test_what_a_server_refuses_is_not_sent_again_and_redirections_are_not_followed(
    server, make_result, caplog, eventually, status
):
    elsewhere = Server()
    server.answer = lambda number: (status, {"Location": elsewhere.url}) if number == 0 else (200, {})
    try:
        with sink_to(server.url, batch_records=2, batch_s=0.0) as sink:
            sink.write(make_result(index=0))
            eventually(lambda: sink.refused == 1)
            assert isinstance(sink.failure, SinkError)
            assert f"it answers {status}" in str(sink.failure)
            sink.write(make_result(index=1))
        assert (sink.delivered, sink.refused, sink.dropped) == (1, 1, 0)
        assert sink.failure is None
        assert [record["frame"] for record in server.records] == [0, 1]
        assert elsewhere.posts == []
    finally:
        elsewhere.close()


def test_a_server_is_left_alone_for_as_long_as_it_asks(server, make_result, eventually):
    times = []

    def answer(number):
        times.append(time.monotonic())
        return (503, {"Retry-After": "1"}) if number == 0 else (200, {})

    server.answer = answer
    with sink_to(server.url) as sink:
        sink.write(make_result())
        eventually(lambda: sink.delivered == 1)
    assert times[1] - times[0] >= 1.0


def test_retry_after_is_understood_in_both_forms():
    assert _retry_after_s(None) is None
    assert _retry_after_s("120") == 120.0
    assert 50 < _retry_after_s(email.utils.formatdate(time.time() + 60, usegmt=True)) <= 60
    assert _retry_after_s(email.utils.formatdate(time.time() - 60, usegmt=True)) == 0.0
    assert _retry_after_s("9" * 400) == float("inf")
    for nonsense in ("", "soon", "-5", "Mon, 99 Foo 2026 00:00:00 GMT"):
        assert _retry_after_s(nonsense) in (None, 0.0)


def test_a_server_that_dies_and_comes_back_gets_what_waited(server, make_result, caplog, eventually):
    limits = OutboxLimits(messages=10)
    with sink_to(server.url, limits=limits) as sink:
        sink.write(make_result(index=0))
        eventually(lambda: sink.delivered == 1)
        server.close()
        sink.write(make_result(index=1))
        eventually(lambda: sink.failure is not None)
        for index in range(2, 42):
            sink.write(make_result(index=index))
        assert sink.dropped == 30
        back = Server(server.port)
        try:
            eventually(lambda: sink.delivered == 12)
        finally:
            back.close()
    # The batch that was in hand is kept; of those that waited behind it, the newest.
    assert [record["frame"] for record in back.records] == [1, *range(32, 42)]
    assert sink.outages == 1
    assert len(said_in(caplog)) == 2


def test_a_server_that_was_never_there_holds_nothing_up(make_result, caplog):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        sink = sink_to(f"http://127.0.0.1:{unused.getsockname()[1]}/", limits=OutboxLimits(messages=10, close_s=0.3))
        with sink:
            for index in range(100):
                sink.write(make_result(index=index))
                time.sleep(0.002)
    assert (sink.delivered, sink.dropped) == (0, 100)
    assert isinstance(sink.failure, SinkError)
    first, last = said_in(caplog)
    assert "Connection refused" in first
    assert "did not arrive before the end" in last


def test_a_server_that_never_answers_holds_nothing_up(make_result, eventually):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        sink = sink_to(url, limits=OutboxLimits(messages=5, close_s=0.3), timeout_s=0.1)
        with sink:
            for index in range(50):
                sink.write(make_result(index=index))
            eventually(lambda: sink.failure)
            assert "no answer in time" in str(sink.failure)
    assert (sink.delivered, sink.dropped) == (0, 50)


def test_a_slow_server_costs_the_oldest_results_only(server, make_result, eventually):
    def answer(number):
        time.sleep(0.05)
        return 200, {}

    server.answer = answer
    with sink_to(server.url, limits=OutboxLimits(messages=4), batch_records=2, batch_s=0.0) as sink:
        for index in range(100):
            sink.write(make_result(index=index))
            time.sleep(0.001)
    frames = [record["frame"] for record in server.records]
    assert frames == sorted(set(frames))
    assert frames[-4:] == [96, 97, 98, 99]
    assert sink.dropped == 100 - len(frames) > 0
    assert sink.failure is None  # those that were dropped before the end count, and are no failure


def test_an_answer_that_never_ends_is_cut_off(make_result, eventually):
    stop = threading.Event()

    def drip(listener):
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
            with contextlib.suppress(OSError):
                while not stop.wait(0.01):
                    connection.sendall(b".")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=drip, args=(listener,), daemon=True)
        thread.start()
        try:
            with sink_to(f"http://127.0.0.1:{listener.getsockname()[1]}/", timeout_s=0.3) as sink:
                sink.write(make_result())
                eventually(lambda: sink.delivered == 1)
        finally:
            stop.set()
            thread.join()


def test_a_refusal_that_comes_before_the_body_was_read_is_heard(make_result, eventually):
    def refuse(listener):
        connection, _ = listener.accept()
        with connection:
            connection.recv(1000)
            connection.sendall(b"HTTP/1.1 413 Too large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    boxes = [(0, 0, 9, 9)] * 20_000
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=refuse, args=(listener,), daemon=True)
        thread.start()
        with sink_to(f"http://127.0.0.1:{listener.getsockname()[1]}/") as sink:
            sink.write(make_result(boxes))
            eventually(lambda: sink.refused == 1)
        assert "413" in str(sink.failure)
        thread.join()


def test_leaving_because_of_an_error_sends_no_more(server, make_result):
    server.answer = lambda number: (500, {})
    sink = sink_to(server.url, batch_s=60.0)

    def fail():
        with sink:
            sink.write(make_result())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert (sink.delivered, sink.dropped) == (0, 1)


def test_a_defect_switches_the_sink_off_and_is_kept(make_result, caplog):
    class Broken:
        name = "broken"

        def run(self, outbox, outage):
            outbox.wait()
            raise ZeroDivisionError

    sink = PublishingSink(Broken(), FACES)
    with sink:
        for _ in range(5):
            sink.write(make_result())
    assert isinstance(sink.failure, ZeroDivisionError)
    assert sink.dropped == 5
    assert len(said_in(caplog)) == 1
    assert caplog.records[0].exc_info


def test_a_certificate_is_checked(make_result, certificate, eventually):
    server = Server(certificate=certificate)
    url = f"https://127.0.0.1:{server.port}/"
    try:
        sink = sink_to(url, limits=OutboxLimits(close_s=0.2))
        with sink:
            sink.write(make_result())
            eventually(lambda: sink.failure)
            assert "its certificate is not trusted: self" in str(sink.failure)
        assert (sink.delivered, server.posts) == (0, [])
        with sink_to(url, ca_file=certificate[0]) as sink:
            sink.write(make_result())
        assert (sink.delivered, sink.failure) == (1, None)
    finally:
        server.close()


def test_the_signature_proves_the_body(server, make_result):
    with sink_to(server.url, hmac_key=Secret("k3y"), token=Secret("t0ken")) as sink:
        sink.write(make_result())
    _, headers, body = server.posts[0]
    expected = hmac.new(b"k3y", body, hashlib.sha256).hexdigest()
    assert headers["x-hub-signature-256"] == f"sha256={expected}"
    assert headers["authorization"] == "Bearer t0ken"


def test_secrets_are_in_no_message(server, make_result, caplog, eventually):
    caplog.set_level(logging.DEBUG)
    server.answer = lambda number: (401, {}) if number == 0 else (500, {})
    config = WebhookConfig(server.url, token=Secret("t0ken-x"), hmac_key=Secret("k3y-x"), batch_s=0.0, retry=QUICK)
    transport = WebhookTransport(config)
    sink = PublishingSink(transport, FACES, OutboxLimits(close_s=0.2))
    with sink:
        sink.write(make_result())
        eventually(lambda: sink.refused == 1)
        sink.write(make_result())
    texts = [caplog.text, repr(config), str(config), repr(config.token), str(config.hmac_key), sink.name]
    texts += [str(sink.failure), repr(sink.failure), repr(transport), repr(sink)]
    for text in texts:
        for secret in ("t0ken-x", "k3y-x", "s3cret-key"):
            assert secret not in text
    assert sink.name == f"webhook+http://127.0.0.1:{server.port}/hook?key=***"


@pytest.mark.parametrize(
    "url",
    [
        "ftp://host/",
        "http:///path",
        "host/path",
        "http://user:pa55@host/",
        "http://host:99999/",
        "http://h/a b",
        "http://h/é",
    ],
)
def test_addresses_that_cannot_be_posted_to_are_wrong_usage(url):
    with pytest.raises(UsageError) as refusal:
        WebhookTransport(WebhookConfig(url))
    assert "pa55" not in str(refusal.value)


def test_impossible_batches_are_wrong_usage():
    with pytest.raises(UsageError, match="impossible batches"):
        WebhookConfig("http://host/", batch_records=0)
    with pytest.raises(UsageError, match="impossible limits of an outbox"):
        OutboxLimits(messages=0)
