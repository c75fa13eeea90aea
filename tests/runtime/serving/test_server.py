import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, suppress

import httpx
import pytest

from fsrfer.core.errors import UsageError
from fsrfer.runtime.serving import LiveHub, LiveServer, ServingOptions

PATIENCE_S = 20.0


def threads():
    return {thread.name for thread in threading.enumerate() if thread.name.startswith("fsrfer-live")}


def connect(server, path="/api/v1/status"):
    """A client that sends a request and then reads nothing."""
    host, port = server.address.removeprefix("http://").rstrip("/").rsplit(":", 1)
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect((host, int(port)))
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    return client


def test_it_listens_when_it_is_entered_and_no_longer_when_it_is_left():
    with LiveServer(LiveHub(), lambda: None, ServingOptions(port=0)) as server:
        assert server.address.startswith("http://127.0.0.1:")
        assert not server.address.endswith(":0/")
        assert httpx.get(server.address).status_code == 200
        assert "fsrfer-live-page" in threads()
    assert threads() == set()
    with pytest.raises(httpx.ConnectError):
        httpx.get(server.address)


def test_the_same_port_can_be_taken_again_at_once():
    with LiveServer(LiveHub(), lambda: None, ServingOptions(port=0)) as first:
        httpx.get(first.address)
        port = int(first.address.rstrip("/").rsplit(":", 1)[1])
    with LiveServer(LiveHub(), lambda: None, ServingOptions(port=port)) as second:
        assert httpx.get(second.address).status_code == 200


def test_on_the_other_loopback_address():
    server = LiveServer(LiveHub(), lambda: None, ServingOptions.parse("[::1]:0"))
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:  # a machine without IPv6
        with pytest.raises(UsageError, match="cannot listen on ::1:0"):
            server.__enter__()
        return
    with server:
        assert server.address.startswith("http://[::1]:")
        assert httpx.get(server.address + "healthz").status_code == 200


def test_a_port_that_is_taken():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(UsageError, match=f"cannot listen on 127.0.0.1:{port}.*another port") as caught:
            LiveServer(LiveHub(), lambda: None, ServingOptions(port=port)).__enter__()
    assert caught.value.exit_code == 2
    assert threads() == set()


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_an_address_that_is_none_of_this_machine(host):
    server = LiveServer(LiveHub(), lambda: None, ServingOptions(host, 0, "0123456789abcdef"))
    with pytest.raises(UsageError, match=r"cannot listen on.*another address"):
        server.__enter__()


def test_signals_are_left_alone():
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with LiveServer(LiveHub(), lambda: None, ServingOptions(port=0)):
        assert {number: signal.getsignal(number) for number in before} == before
    assert {number: signal.getsignal(number) for number in before} == before


def test_clients_that_watch_or_hang_do_not_hold_up_the_end(serve, make_feed, caplog):
    hub = LiveHub()
    with make_feed(hub, ["camera 0"], fps=50) as feed:
        with LiveServer(hub, feed.report, ServingOptions(port=0, max_fps=50)) as server:
            paths = ("/api/v1/sources/camera-0/stream.mjpeg", "/api/v1/events", "/api/v1/status")
            clients = [connect(server, path) for path in paths for _ in range(4)]
            silent = socket.create_connection(clients[0].getpeername())  # never asks for anything
            time.sleep(1.5)  # the buffers of those that do not read fill up
            started_s = time.monotonic()
        assert time.monotonic() - started_s < PATIENCE_S
    assert threads() == set()
    assert not caplog.records
    for client in (*clients, silent):
        client.close()


def test_an_error_in_the_block_ends_it_as_well():
    with (
        pytest.raises(ValueError, match="broken"),
        LiveServer(LiveHub(), lambda: None, ServingOptions(port=0)),
    ):
        raise ValueError("broken")
    assert threads() == set()


def test_connections_that_ask_for_nothing_are_cut(monkeypatch):
    from fsrfer.runtime.serving import uvicorn_server

    monkeypatch.setattr(uvicorn_server, "_IDLE_TICKS", 5)
    with LiveServer(LiveHub(), lambda: None, ServingOptions(port=0, max_streams=1)) as server, ExitStack() as stack:
        host, port = server.address.removeprefix("http://").rstrip("/").rsplit(":", 1)
        clients = [stack.enter_context(socket.create_connection((host, int(port)))) for _ in range(120)]
        clients[0].sendall(b"GET / HTTP/1.1\r\nHos")  # half a request is none
        assert httpx.get(server.address + "healthz").status_code == 503  # more than there may be
        for client in clients:
            client.settimeout(PATIENCE_S)
            with suppress(ConnectionResetError):  # how it is cut depends on what was sent
                assert client.recv(1) == b""
        assert httpx.get(server.address + "healthz").status_code == 200


def run_python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("package", ["fsrfer.runtime", "fsrfer.runtime.serving"])
def test_importing_it_loads_no_web_server(package):
    heavy = {"starlette", "uvicorn", "prometheus_client", "h11", "anyio"}
    done = run_python(f"import sys, {package}; print(*{heavy} & {{*sys.modules}})")
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr


@pytest.mark.parametrize("package", ["starlette", "uvicorn", "prometheus_client"])
def test_without_the_extra_it_says_which(package):
    done = run_python(
        f"import sys; sys.modules[{package!r}] = None\n"
        "from fsrfer.runtime.serving import LiveHub, LiveServer, ServingOptions\n"
        "LiveServer(LiveHub(), lambda: None, ServingOptions(port=0)).__enter__()"
    )
    assert done.returncode == 1
    assert "MissingDependencyError: the live page needs the package" in done.stderr
    assert "pip install 'fsrfer[serve]'" in done.stderr
