"""The HTTP application of the live page."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import mimetypes
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from importlib import resources

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..pipeline_report import PipelineReport
from .access import AccessControl, problem
from .events import EventKind
from .hub import LiveHub
from .metrics import MetricsPage
from .options import ModelInfo, ServingOptions
from .pictures import PictureMaker, PictureSize
from .records import history_record, label_records
from .status import readiness_of, status_record, status_schema
from .streams import BOUNDARY, StreamPlaces, last_event_number, motion_jpeg, server_sent_events

_LOGGER = logging.getLogger(__name__)

_SAMPLE_S = 1.0
_DRAWING_THREADS = 2
_OPEN_PATHS = ("/healthz", "/assets/")
_HANGS_AFTER_S = 30.0  # without a step of the pipeline, which takes one at least twice a second


class LivePage:
    """The endpoints of the live page; :attr:`app` is the ASGI application.

    Args:
        hub: What the pipeline left.
        report: Gives what it did so far, from any thread; None before it stands.
        options: Who may come in, and what it may cost.
        model: What runs, where that is known.
        port: Where the server really listens.
        stop: Ends all streams when it is set.
    """

    def __init__(
        self,
        hub: LiveHub,
        report: Callable[[], PipelineReport | None],
        options: ServingOptions,
        *,
        model: ModelInfo | None,
        port: int,
        stop: threading.Event,
    ) -> None:
        self._hub = hub
        self._report = report
        self._model = model
        self._max_fps = options.max_fps
        self._stop = stop
        self._places = StreamPlaces(options.max_streams)
        self._metrics = MetricsPage(report, model, with_faces=not hub.aggregate_only)
        self._executor = ThreadPoolExecutor(_DRAWING_THREADS, thread_name_prefix="fsrfer-live-drawing")
        self._maker = PictureMaker(hub, options.max_fps, self._executor)
        self._assets = _read_assets()
        application = Starlette(
            routes=self._routes(),
            exception_handlers={HTTPException: _http_problem, Exception: _defect},
            lifespan=self._lifespan,
        )
        application.router.redirect_slashes = False
        # Around everything, so that answers about defects are protected as well.
        self.app = AccessControl(
            application,
            options=options,
            port=port,
            open_paths=_OPEN_PATHS,
            sign_in=self._assets["sign-in.html"].body.decode(),
        )

    def _routes(self) -> list[Route]:
        paths = {
            "/": self._page,
            "/assets/{name}": self._asset,
            "/healthz": self._healthz,
            "/readyz": self._readyz,
            "/metrics": self._scrape,
            "/api/v1/status": self._status,
            "/api/v1/status.schema.json": self._schema,
            "/api/v1/history": self._history,
            "/api/v1/groups": self._groups,
            "/api/v1/events": self._events,
            "/api/v1/sources/{id}/frame.jpg": self._frame,
            "/api/v1/sources/{id}/stream.mjpeg": self._stream,
        }
        return [Route(path, endpoint) for path, endpoint in paths.items()]

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:  # noqa: ARG002 (signature of a lifespan)
        sampling = asyncio.create_task(self._sample())
        sampling.add_done_callback(_log_defect)
        try:
            yield
        finally:
            sampling.cancel()
            with suppress(asyncio.CancelledError):
                await sampling
            self._executor.shutdown(cancel_futures=True)

    async def _sample(self) -> None:
        while True:
            report = self._report()
            if report is not None:
                self._hub.sample(report)
            await asyncio.sleep(_SAMPLE_S)

    async def _page(self, request: Request) -> Response:
        return self._assets["index.html"].answer(request)

    async def _asset(self, request: Request) -> Response:
        asset = self._assets.get(request.path_params["name"])
        if asset is None:
            raise HTTPException(404, "no such file")
        return asset.answer(request)

    async def _healthz(self, request: Request) -> Response:  # noqa: ARG002
        report = self._report()
        stuck_s = 0.0 if report is None else report.stuck_s
        if stuck_s > _HANGS_AFTER_S:
            return JSONResponse({"status": "hangs", "stuck_s": round(stuck_s, 1)}, 503)
        return JSONResponse({"status": "alive"})

    async def _readyz(self, request: Request) -> Response:  # noqa: ARG002
        report = self._report()
        ready = readiness_of(report)
        states = {} if report is None else {source.name: source.state.value for source in report.sources}
        record = {"is_ready": ready.is_ready, "reason": ready.reason, "sources": states}
        return JSONResponse(record, 200 if ready.is_ready else 503)

    async def _scrape(self, request: Request) -> Response:
        body, media_type = self._metrics.render(request.headers.get("accept", ""))
        return Response(body, headers={"Content-Type": media_type})

    async def _status(self, request: Request) -> Response:  # noqa: ARG002
        return JSONResponse(status_record(self._hub, self._report(), self._model))

    async def _schema(self, request: Request) -> Response:  # noqa: ARG002
        return JSONResponse(status_schema())

    async def _history(self, request: Request) -> Response:  # noqa: ARG002
        return JSONResponse(history_record(self._hub.history.seconds, with_faces=not self._hub.aggregate_only))

    async def _groups(self, request: Request) -> Response:
        source = self._source_in_query(request)
        windows = [window for window in self._hub.windows() if source in (None, window.source)]
        labels = self._model.labels if self._model is not None else self._hub.latest_labels()
        return JSONResponse(
            {
                "labels": label_records(labels),
                "windows": [self._hub.record_of(window) for window in windows],
            }
        )

    async def _events(self, request: Request) -> Response:
        events = server_sent_events(
            self._hub.events,
            after=last_event_number(self._hub.events, request.headers.get("last-event-id")),
            kinds=_kinds_of(request),
            source=self._source_in_query(request),
            stop=self._stop,
        )
        return self._places.answer(events, "text/event-stream")

    async def _frame(self, request: Request) -> Response:
        picture = await self._maker.latest(self._source_in_path(request), _size_of(request))
        if picture is None:
            raise HTTPException(404, "this source has shown nothing yet")
        tag = f'"{self._hub.events.run_id}-{picture.sequence}"'
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers={"ETag": tag})
        return Response(picture.jpeg, media_type="image/jpeg", headers={"ETag": tag})

    async def _stream(self, request: Request) -> Response:
        parts = motion_jpeg(
            self._maker,
            self._source_in_path(request),
            _size_of(request),
            max_fps=self._max_fps,
            stop=self._stop,
        )
        return self._places.answer(parts, f"multipart/x-mixed-replace; boundary={BOUNDARY}")

    def _source_in_path(self, request: Request) -> str:
        if self._hub.aggregate_only:
            raise HTTPException(404, "there are no pictures: only aggregates are kept")
        return self._source_named(request.path_params["id"])

    def _source_in_query(self, request: Request) -> str | None:
        wanted = request.query_params.get("source")
        return None if wanted is None else self._source_named(wanted)

    def _source_named(self, wanted: str) -> str:
        report = self._report()
        for source in () if report is None else report.sources:
            if self._hub.id_of(source.name) == wanted:
                return source.name
        raise HTTPException(404, "no such source; /api/v1/status lists them")


class _Asset:
    """A file of the page, kept in memory."""

    def __init__(self, name: str, body: bytes) -> None:
        self.body = body
        self._media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
        self._tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'

    def answer(self, request: Request) -> Response:
        headers = {"ETag": self._tag, "Cache-Control": "no-cache"}
        if request.headers.get("if-none-match") == self._tag:
            return Response(status_code=304, headers=headers)
        return Response(self.body, media_type=self._media_type, headers=headers)


def _read_assets() -> dict[str, _Asset]:
    folder = resources.files(__package__).joinpath("page")
    return {file.name: _Asset(file.name, file.read_bytes()) for file in folder.iterdir() if file.is_file()}


def _kinds_of(request: Request) -> tuple[EventKind, ...]:
    wanted = request.query_params.getlist("kind")
    try:
        return tuple(EventKind(kind) for kind in wanted) or tuple(EventKind)
    except ValueError:
        raise HTTPException(400, f"kind is one of {', '.join(kind.value for kind in EventKind)}") from None


def _size_of(request: Request) -> PictureSize:
    try:
        return PictureSize(request.query_params.get("size", PictureSize.LARGE.value))
    except ValueError:
        raise HTTPException(400, f"size is one of {', '.join(size.value for size in PictureSize)}") from None


async def _http_problem(request: Request, error: Exception) -> Response:  # noqa: ARG001
    assert isinstance(error, HTTPException)
    message = "no such address" if error.detail == "Not Found" else error.detail
    return problem(error.status_code, message, headers=dict(error.headers or {}))


async def _defect(request: Request, error: Exception) -> Response:  # noqa: ARG001
    return problem(500, "a defect of fsrfer; its log says more")


def _log_defect(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        _LOGGER.error("the history of the live page has ended", exc_info=task.exception())
