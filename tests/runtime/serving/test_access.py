"""Who is let in, over real connections."""

import logging
import socket

import httpx
import pytest

TOKEN = "a-token-of-24-characters"
OPEN = ("/healthz", "/assets/style.css", "/assets/icon.svg")
CLOSED = (
    "/",
    "/readyz",
    "/metrics",
    "/api/v1/status",
    "/api/v1/groups",
    "/api/v1/history",
    "/api/v1/events",
    "/nothing",
)


@pytest.fixture
def guarded(serve):
    server, _, client = serve(token=TOKEN)
    return server, client


def raw(server, text):
    """Send bytes as they are, and return the whole answer."""
    host, port = server.address.removeprefix("http://").rstrip("/").rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(text.encode("latin-1"))
        answer = b""
        while part := connection.recv(65536):
            answer += part
    return answer.decode("latin-1")


@pytest.mark.parametrize("path", OPEN)
def test_what_is_open_needs_no_token(guarded, path):
    assert guarded[1].get(path).status_code == 200


@pytest.mark.parametrize("path", CLOSED)
def test_everything_else_does(guarded, path):
    answer = guarded[1].get(path)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert "token is needed" in answer.json()["error"]


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_token_in_a_header(guarded, scheme):
    assert guarded[1].get("/metrics", headers={"Authorization": f"{scheme} {TOKEN}"}).status_code == 200


@pytest.mark.parametrize(
    "value", ["", "Bearer", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}", "Bearer \xe9"]
)
def test_a_wrong_header(guarded, value):
    assert guarded[1].get("/metrics", headers={"Authorization": value.encode("latin-1")}).status_code == 401


def test_a_token_in_the_address_leaves_a_cookie_and_leads_on_without_it(guarded):
    _, client = guarded
    answer = client.get("/api/v1/groups", params={"a": "1 &2", "token": TOKEN})
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/api/v1/groups?a=1+%262"
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert TOKEN not in cookie
    assert client.get("/api/v1/groups").status_code == 200  # the client kept the cookie


def test_a_wrong_token_in_the_address(guarded):
    answer = guarded[1].get("/", params={"token": TOKEN + "x"})
    assert answer.status_code == 401
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("cookie", ["", TOKEN, "0" * 64])
def test_a_made_up_cookie(guarded, cookie):
    server, client = guarded
    port = server.address.rstrip("/").rsplit(":", 1)[1]
    assert client.get("/", headers={"Cookie": f"fsrfer_{port}={cookie}"}).status_code == 401


@pytest.mark.parametrize("path", ["//evil.example/x", "/\\evil.example", "///evil.example"])
def test_the_way_on_never_leads_to_another_host(guarded, path):
    server, _ = guarded
    answer = raw(server, f"GET {path}?token={TOKEN} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    (place,) = [line for line in answer.splitlines() if line.lower().startswith("location:")]
    target = place.partition(":")[2].strip()
    assert target.startswith("/")
    assert not target.startswith(("//", "/\\"))


@pytest.mark.parametrize("host", ["x/healthz?", "localhost/healthz#", "127.0.0.1/assets/?"])
def test_the_host_header_opens_no_path(guarded, host):
    answer = raw(guarded[0], f"GET /metrics HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
    assert answer.split(" ")[1] in ("400", "401", "403")
    assert "fsrfer_" not in answer


@pytest.mark.parametrize(
    "path", ["/assets/../metrics", "/assets/%2e%2e/metrics", "/assets//metrics", "/assets/..%2fapp.py"]
)
def test_the_open_folder_holds_nothing_else(guarded, path):
    answer = raw(guarded[0], f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert answer.split(" ")[1] == "404"


def test_people_are_asked_for_the_token(guarded):
    answer = guarded[1].get("/", headers={"Accept": "text/html,*/*"})
    assert answer.status_code == 401
    assert '<form method="get"' in answer.text
    assert "script-src 'self'" in answer.headers["Content-Security-Policy"]


def test_the_token_is_in_no_log(guarded, caplog):
    caplog.set_level(logging.DEBUG)
    client = guarded[1]
    client.get("/", params={"token": TOKEN})
    client.get("/nothing", params={"token": TOKEN})
    client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    ours = [record.getMessage() for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
    assert not [message for message in ours if TOKEN in message]


class TestHostNames:
    """Without a token, nobody may read the page under a name of his own (DNS rebinding)."""

    @pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "LOCALHOST:9", "[::1]:8080", "[::1]"])
    def test_of_this_machine(self, serve, host):
        assert serve()[2].get("/api/v1/status", headers={"Host": host}).status_code == 200

    @pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil", "", "[::1].evil:80"])
    def test_of_others(self, serve, host):
        answer = serve()[2].get("/api/v1/status", headers={"Host": host})
        assert answer.status_code == 403

    def test_that_were_added(self, serve):
        _, _, client = serve(allowed_hosts=("Box.example",))
        assert client.get("/", headers={"Host": "box.example:443"}).status_code == 200
        assert client.get("/", headers={"Host": "other.example"}).status_code == 403

    def test_where_a_token_guards_another_address_any_will_do(self, serve):
        server, _, _ = serve(host="0.0.0.0", token=TOKEN)
        port = server.address.rstrip("/").rsplit(":", 1)[1]
        headers = {"Host": "box.lan", "Authorization": f"Bearer {TOKEN}"}
        assert httpx.get(f"http://127.0.0.1:{port}/api/v1/status", headers=headers).status_code == 200
        assert httpx.get(f"http://127.0.0.1:{port}/metrics", headers={"Host": "box.lan"}).status_code == 401


@pytest.mark.parametrize("path", ["/", "/healthz", "/api/v1/status", "/nothing", "/assets/app.js"])
def test_every_answer_is_protected(serve, path):
    headers = serve()[2].get(path).headers
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["Cache-Control"] == ("no-cache" if path in ("/", "/assets/app.js") else "no-store")
    assert "server" not in headers
    assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE"])
@pytest.mark.parametrize("path", ["/", "/api/v1/status", "/nothing"])
def test_only_get(serve, method, path):
    answer = serve()[2].request(method, path)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET")
