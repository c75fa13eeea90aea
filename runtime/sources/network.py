"""Network streams through FFmpeg: RTSP, and whatever HTTP carries (MJPEG, HLS, files)."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import replace

import av.container
import av.error

from ...core.errors import SourceError
from .address import redact_address, scheme_of
from .catch_up import CatchUp
from .connection import Connection
from .counters import SourceCounters
from .decoding import decoded_images, opened, reason_of
from .pacing import Pacer
from .settings import SourceSettings, Transport
from .source import RefusedError, TimedImage

# Less is looked at before the first picture, and less is held back after it. Sound is not asked for.
_RTSP_OPTIONS = {
    "allowed_media_types": "video",
    "fflags": "nobuffer",
    "flags": "low_delay",
    "probesize": "32768",
    "analyzeduration": "200000",
}
_TRANSPORT_OPTIONS = {
    # What arrives is whole and in order: nothing to wait for.
    Transport.TCP: {"rtsp_transport": "tcp", "max_delay": "0", "reorder_queue_size": "0"},
    # Datagrams overtake each other and come in bursts, a key frame in hundreds: wait 0.1 s for a late one, and let the
    # system hold a whole key frame.
    Transport.UDP: {"rtsp_transport": "udp", "max_delay": "100000", "buffer_size": "2097152"},
}
_NO_TIMESTAMPS = 0x80  # AVFMT_NOTIMESTAMPS
_SEGMENTED = ("hls", "dash")
_REFUSALS = (
    av.error.HTTPBadRequestError,
    av.error.HTTPUnauthorizedError,
    av.error.HTTPForbiddenError,
    av.error.ProtocolNotFoundError,
)


def connect_stream(
    address: str,
    name: str | None = None,
    *,
    settings: SourceSettings | None = None,
    counters: SourceCounters | None = None,
) -> Connection:
    """Open a network stream.

    Args:
        address: ``rtsp(s)://`` or ``http(s)://`` address, with credentials where the camera wants them.
        name: How to speak of it; the address without its credentials unless something better is known.
        settings: Its deadlines, transport, threads and cap on the rate.
        counters: Count what is left out.

    Raises:
        RefusedError: The server rejects the address or the credentials.
        SourceError: There is no connection.
    """
    name = redact_address(address) if name is None else name
    settings = settings or SourceSettings()
    is_rtsp = scheme_of(address).startswith("rtsp")
    container = _opened(address, name, is_rtsp=is_rtsp, settings=settings)
    # Live HTTP streams have no length; what has one is a file on a web server.
    is_recording = not is_rtsp and container.duration is not None
    counters = counters or SourceCounters(name)
    return Connection(_images(container, name, settings, counters, is_recording=is_recording), is_recording)


def _opened(address: str, name: str, *, is_rtsp: bool, settings: SourceSettings) -> av.container.InputContainer:
    options = {**_RTSP_OPTIONS, **_TRANSPORT_OPTIONS[settings.transport]} if is_rtsp else {}
    timeout_s = settings.start_timeout_s
    begin_s = time.monotonic()
    try:
        return opened(address, options=options, start_timeout_s=timeout_s, read_timeout_s=settings.read_timeout_s)
    except _REFUSALS as problem:
        raise RefusedError(
            f"{name} refused the connection",
            found=reason_of(problem),
            fix="check user, password and path; write special characters of a password as %XX",
        ) from None
    except av.error.FFmpegError as problem:
        # Interrupted by the deadline, FFmpeg may call it invalid data, or an input/output error.
        is_late = time.monotonic() - begin_s >= timeout_s
        reason = f"no answer for {timeout_s:g} s" if is_late else reason_of(problem)
        raise SourceError(f"cannot connect to {name}", found=reason) from None


def _images(
    container: av.container.InputContainer,
    name: str,
    settings: SourceSettings,
    counters: SourceCounters,
    *,
    is_recording: bool,
) -> Generator[TimedImage | None, None, None]:
    # Where a format has no time stamps (MJPEG, bare H.264), FFmpeg invents 25 a second, whatever the camera's rate.
    has_times = is_recording or not container.format.flags & _NO_TIMESTAMPS
    is_segmented = container.format.name in _SEGMENTED
    pacer = Pacer() if is_segmented and not is_recording else None
    catch_up = CatchUp() if has_times and not is_segmented and not is_recording else None
    with container:
        try:
            for timed in decoded_images(
                container, name, is_live=not is_recording, settings=settings, counters=counters, catch_up=catch_up
            ):
                if timed is None:
                    yield None
                    continue
                if pacer is not None:
                    time.sleep(pacer.wait_s(timed.stream_time_s, time.monotonic()))
                yield timed if has_times else replace(timed, stream_time_s=None)
        except av.error.FFmpegError as problem:
            raise SourceError(f"lost {name}", found=reason_of(problem)) from None
