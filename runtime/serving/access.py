"""Who may ask for what: a layer around the whole application."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from urllib.parse import quote, urlencode

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .options import ServingOptions

_COOKIE_AGE_S = 30 * 24 * 3600
_HOST = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[^:\[\]]+))(?::\d+)?")
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
    " connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # Without these, any web site could show the pictures of a server on loopback to its visitor, or open the page in
    # a window that it holds on to.
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class AccessControl:
    """Lets in whoever may come in, and sets the headers that protect the page.

    - Only GET.
    - On a loopback address, only under names that are this machine's: see :class:`ServingOptions`.
    - With a token: ``Authorization: Bearer TOKEN``, or ``?token=TOKEN`` once, which leaves a cookie and leads to the
      address without it. The cookie holds a hash of the token, and no script can read it.

    Args:
        app: The application inside.
        options: Who may come in.
        port: Where the server really listens. It is part of the cookie's name, since browsers keep the cookies of all
            ports of a host together.
        open_paths: What needs no token; one that ends in a slash stands for everything below it.
        sign_in: HTML for people who came without a token.
    """

    def __init__(
        self, app: ASGIApp, *, options: ServingOptions, port: int, open_paths: Iterable[str], sign_in: str
    ) -> None:
        self._app = app
        self._token = None if options.token is None else options.token.encode()
        self._hosts = _hosts_of(options)
        self._cookie = f"fsrfer_{port}"
        self._open_paths = tuple(open_paths)
        self._sign_in = sign_in

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it to the application; see ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        answer = self._refuse(Request(scope)) or self._app
        await answer(scope, receive, send_protected)

    # `request.url` is built from the Host header, which is the client's to write: here counts the path of the scope.
    def _refuse(self, request: Request) -> Response | None:
        if request.method != "GET":
            return problem(405, f"{request.method} is not allowed", headers={"Allow": "GET"})
        if self._hosts and _host_of(request.headers.get("host", "")) not in self._hosts:
            return problem(403, "this is not a name of the server; an option can add it")
        if self._token is None or self._is_open(request.scope["path"]):
            return None
        offered = request.query_params.get("token")
        if offered is not None and self._is_token(offered):
            return self._leave_cookie(request)
        if self._is_known(request):
            return None
        headers = {"WWW-Authenticate": "Bearer"}
        if "text/html" in request.headers.get("accept", ""):
            return HTMLResponse(self._sign_in, 401, headers)
        return problem(401, "a token is needed: Authorization: Bearer TOKEN", headers=headers)

    def _is_open(self, path: str) -> bool:
        return any(path == known or (known.endswith("/") and path.startswith(known)) for known in self._open_paths)

    def _is_known(self, request: Request) -> bool:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self._is_token(token.strip()):
            return True
        return hmac.compare_digest(request.cookies.get(self._cookie, "").encode(), self._cookie_value().encode())

    def _is_token(self, offered: str) -> bool:
        assert self._token is not None
        return hmac.compare_digest(offered.encode(), self._token)

    def _cookie_value(self) -> str:
        assert self._token is not None
        return hmac.new(self._token, b"fsrfer live page", hashlib.sha256).hexdigest()

    def _leave_cookie(self, request: Request) -> Response:
        query = [(name, value) for name, value in request.query_params.multi_items() if name != "token"]
        # One slash in front: a browser takes what follows two of them for the name of a host.
        place = "/" + quote(request.scope["path"].lstrip("/")) + (f"?{urlencode(query)}" if query else "")
        answer = Response(status_code=303, headers={"Location": place})
        answer.set_cookie(
            self._cookie,
            self._cookie_value(),
            max_age=_COOKIE_AGE_S,
            secure=request.scope["scheme"] == "https",
            httponly=True,
            samesite="strict",
        )
        return answer


def problem(status: int, message: str, *, headers: dict[str, str] | None = None) -> JSONResponse:
    """Return an answer that says what is wrong.

    Args:
        status: HTTP status.
        message: What is wrong.
        headers: Further headers.
    """
    return JSONResponse({"error": message}, status, headers)


def _hosts_of(options: ServingOptions) -> frozenset[str]:
    if not options.is_loopback and not options.allowed_hosts:
        return frozenset()
    own = {"localhost", "127.0.0.1", "::1", options.host}
    return frozenset(name.lower() for name in own.union(options.allowed_hosts))


def _host_of(header: str) -> str:
    """Return the name in a Host header, without port and brackets; what is no such header stays as it is."""
    found = _HOST.fullmatch(header)
    return header if found is None else (found["v6"] or found["name"]).lower()
