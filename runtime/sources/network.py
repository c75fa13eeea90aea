"""Network streams through FFmpeg: RTSP, and whatever HTTP carries (MJPEG, HLS, files)."""

from __future__ import annotations

from collections.abc import Generator
from types import MappingProxyType

import av.container
import av.error

from ...core.errors import SourceError
from .address import redact_address, scheme_of
from .decoding import decoded_images, opened, reason_of
from .live import Connection
from .source import RefusedError, TimedImage

SILENCE_TIMEOUT_S = 6.0
"""A stream that sends nothing for so long counts as lost."""

# Each of these trades robustness against a bad network for latency, except for TCP, which is the other way round:
# lost datagrams smear blocks over faces.
_RTSP_OPTIONS = MappingProxyType(
    {
        "rtsp_transport": "tcp",
        "fflags": "nobuffer",
        "flags": "low_delay",
        "probesize": "32768",
        "analyzeduration": "200000",
        "max_delay": "0",
        "reorder_queue_size": "0",
    }
)
_REFUSALS = (
    av.error.HTTPBadRequestError,
    av.error.HTTPUnauthorizedError,
    av.error.HTTPForbiddenError,
    av.error.ProtocolNotFoundError,
)


def connect_stream(address: str, *, timeout_s: float = SILENCE_TIMEOUT_S) -> Connection:
    """Open a network stream.

    Args:
        address: ``rtsp(s)://`` or ``http(s)://`` address, with credentials where the camera wants them.
        timeout_s: Longest silence, while connecting and later.

    Raises:
        RefusedError: The server rejects the address or the credentials.
        SourceError: There is no connection.
    """
    name = redact_address(address)
    is_rtsp = scheme_of(address).startswith("rtsp")
    try:
        container = opened(address, options=dict(_RTSP_OPTIONS) if is_rtsp else {}, timeout_s=timeout_s)
    except _REFUSALS as problem:
        raise RefusedError(
            f"{name} refused the connection",
            found=reason_of(problem),
            fix="check user, password and path; write special characters of a password as %XX",
        ) from None
    except av.error.FFmpegError as problem:
        raise SourceError(f"cannot connect to {name}", found=reason_of(problem)) from None
    # Live HTTP streams have no length; what has one is a file on a web server.
    is_recording = not is_rtsp and container.duration is not None
    return Connection(_images(container, name, is_recording=is_recording), is_recording)


def _images(
    container: av.container.InputContainer, name: str, *, is_recording: bool
) -> Generator[TimedImage, None, None]:
    # FFmpeg invents 25 time stamps a second for MJPEG over HTTP, whatever the camera's rate.
    has_times = container.format.name != "mpjpeg"
    with container:
        try:
            for timed in decoded_images(container, name, is_live=not is_recording):
                yield timed if has_times else TimedImage(timed.image, None)
        except av.error.FFmpegError as problem:
            raise SourceError(f"lost {name}", found=reason_of(problem)) from None
