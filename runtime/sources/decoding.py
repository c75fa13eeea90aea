"""Decoding by FFmpeg (PyAV), for files and streams alike."""

from __future__ import annotations

import errno
import time
from collections.abc import Generator, Iterator
from enum import Enum
from typing import Any

import av
import av.container
import av.error
import av.video.reformatter
import av.video.stream
import cv2
import numpy as np
import numpy.typing as npt
from av.stream import Disposition

from ...core.errors import SourceError
from .catch_up import CatchUp
from .counters import SourceCounters
from .damage import CutOffJpegs, DamageGate
from .rate_cap import RateCap
from .settings import SourceSettings
from .source import TimedImage

_TURNS = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}
_MAX_PIXELS = 8192 * 8192  # damage in a header must not ask for gigabytes; 8K video has half as many


def reason_of(problem: av.error.FFmpegError) -> str:
    """Return why FFmpeg failed. The error's own text is unfit: it repeats the address, password and all."""
    if isinstance(problem, av.error.ExitError):
        return "no answer in time"  # FFmpeg says that an exit was requested, which the deadline did
    return problem.strerror or type(problem).__name__


def opened(
    location: str, *, options: dict[str, str], start_timeout_s: float | None = None, read_timeout_s: float | None = None
) -> av.container.InputContainer:
    """Open a file or an address.

    Args:
        location: Path or address.
        options: FFmpeg's options.
        start_timeout_s: Longest time for each of the two steps of opening: to connect, and to learn what streams there
            are. None waits for ever.
        read_timeout_s: Longest time for a packet; None waits for ever.

    Raises:
        av.error.FFmpegError: It cannot be opened.
    """
    container: av.container.InputContainer = av.open(
        location, options=options, timeout=(start_timeout_s, read_timeout_s), **_metadata_options()
    )
    return container


def decoded_images(
    container: av.container.InputContainer,
    name: str,
    *,
    is_live: bool,
    settings: SourceSettings,
    counters: SourceCounters,
    catch_up: CatchUp | None = None,
) -> Generator[TimedImage | None, None, None]:
    """Decode the largest video stream of an open container.

    What is damaged is left out and counted: a face in it would not be the one before the camera.

    Args:
        container: What to decode.
        name: How to speak of it; holds no credentials.
        is_live: Decode for low latency instead of throughput, and keep the deadline for packets.
        settings: Its deadlines, threads and cap on the rate.
        counters: Count what is left out.
        catch_up: Leaves out what there is no time to decode; None decodes all.

    Yields:
        The images, and None for each that the cap on the rate or ``catch_up`` left out, or that is damaged in a
        recording: frames of a recording are numbered by their place, and damage is no sign of life of a camera.

    Raises:
        SourceError: It has no video stream, or none of its packets could be decoded.
        av.error.FFmpegError: Reading failed, or took too long.
    """
    stream = _video_stream(container, name, is_live=is_live, threads=settings.decoder_threads)
    packets = _timely_packets(container, stream, settings.read_timeout_s) if is_live else container.demux(stream)
    decoder, sieve = _PacketDecoder(stream), _FrameSieve(settings.max_fps, counters)
    converter = av.video.reformatter.VideoReformatter()
    broken, is_empty = 0, True
    for packet in packets:
        if catch_up is not None and _is_left_out(packet, catch_up):
            counters.note_behind()
            yield None
            continue
        begin_s = time.monotonic()
        frames = decoder.decode(packet)
        if frames is None:
            broken += 1
            if not is_live or not is_empty:  # who joins a stream in its middle cannot decode its first packets
                sieve.note_broken()
            continue
        for frame in frames:
            is_empty = False
            verdict = sieve.judge(frame)
            if verdict is _Verdict.TAKEN:
                image = _upright_rgb(frame, converter)
                yield TimedImage(image, frame.time, (begin_s, time.monotonic()))
            elif verdict is _Verdict.SKIPPED or not is_live:
                yield None
            begin_s = time.monotonic()  # of a packet's further frames, only the conversion is left
    if is_empty and broken:
        raise SourceError(f"{name} cannot be decoded", found=f"{broken} broken packets and not one whole frame")


def _video_stream(
    container: av.container.InputContainer, name: str, *, is_live: bool, threads: int
) -> av.video.stream.VideoStream:
    # Of the renditions of an HLS stream the largest: small faces want its pixels. The cover of a song is no video.
    candidates = [video for video in container.streams.video if not video.disposition & Disposition.attached_pic]
    if not candidates:
        raise SourceError(f"{name} has no video", found=f"{len(container.streams)} streams of other kinds")
    stream = max(candidates, key=lambda video: video.codec_context.width * video.codec_context.height)
    for other in container.streams:
        # Or all renditions are fetched. Older versions of PyAV do not know this.
        if other is not stream and hasattr(other, "discard"):
            other.discard = type(other.discard).all
    context = stream.codec_context
    context.options = {"max_pixels": str(_MAX_PIXELS)}
    if is_live:
        # Threads that share frames out hold one back each. With those that share slices out, FFmpeg no longer tells
        # damaged frames (`enable_er` of its H.264 decoder), and cameras send one slice a frame anyway.
        stream.thread_type, context.thread_count = "SLICE", threads
    else:
        stream.thread_type = "AUTO"
    return stream


def _timely_packets(
    container: av.container.InputContainer, stream: av.video.stream.VideoStream, timeout_s: float
) -> Iterator[av.Packet[Any]]:
    # When its time is over, FFmpeg first hands out what its parser held back, as if it had come just now, and fails at
    # the next read only. And a camera's sound goes on when its picture stands still. Both want a watch on the pictures.
    begin_s = time.monotonic()
    for packet in container.demux():
        if time.monotonic() - begin_s >= timeout_s:
            raise av.error.TimeoutError(errno.ETIMEDOUT, f"no picture for {timeout_s:g} s")
        if packet.stream is stream:
            yield packet
            begin_s = time.monotonic()


def _is_left_out(packet: av.Packet[Any], catch_up: CatchUp) -> bool:
    stamp = packet.pts if packet.dts is None else packet.dts
    if stamp is None or packet.time_base is None:
        return False
    return catch_up.leaves_out(float(stamp * packet.time_base), time.monotonic(), is_key=packet.is_keyframe)


class _PacketDecoder:
    """Decodes the packets of one stream."""

    def __init__(self, stream: av.video.stream.VideoStream) -> None:
        self._jpegs = CutOffJpegs() if stream.codec_context.codec.name == "mjpeg" else None

    def decode(self, packet: av.Packet[Any]) -> list[av.VideoFrame] | None:
        """Return the frames of a packet; None where it cannot be decoded."""
        if self._jpegs is not None and packet.size and self._jpegs.is_cut_off(bytes(packet)):
            return None
        try:
            return [frame for frame in packet.decode() if isinstance(frame, av.VideoFrame)]
        except av.error.FFmpegError:
            return None


class _Verdict(Enum):
    TAKEN = 1
    SKIPPED = 2
    DAMAGED = 3


class _FrameSieve:
    """Decides which decoded frames are shown, and counts the others."""

    def __init__(self, max_fps: float | None, counters: SourceCounters) -> None:
        self._cap = RateCap(max_fps)
        self._gate = DamageGate()
        self._counters = counters

    def note_broken(self) -> None:
        self._counters.note_decode_error()
        self._gate.close()

    def judge(self, frame: av.VideoFrame) -> _Verdict:
        time_s = time.monotonic() if frame.time is None else frame.time
        if frame.is_corrupt:
            self.note_broken()
            return _Verdict.DAMAGED
        if self._gate.holds_back(time_s, is_key=frame.key_frame):
            self._counters.damaged += 1
            return _Verdict.DAMAGED
        if not self._cap.admits(time_s):
            self._counters.skipped += 1
            return _Verdict.SKIPPED
        return _Verdict.TAKEN


def _upright_rgb(frame: av.VideoFrame, converter: av.video.reformatter.VideoReformatter) -> npt.NDArray[np.uint8]:
    # A converter of its own for each frame, as `frame.to_ndarray` has it, would cost a quarter more time.
    image = np.asarray(converter.reformat(frame, format="rgb24").to_ndarray(), np.uint8)
    turn = _TURNS.get(round(frame.rotation) % 360)  # telephones store portrait videos lying on their side
    return image if turn is None else np.asarray(cv2.rotate(image, turn), np.uint8)


def _metadata_options() -> dict[str, Any]:
    # Up to version 18, PyAV refuses to open files whose titles are not UTF-8; from 19 on it always reads them.
    return {"metadata_errors": "replace"} if int(av.__version__.partition(".")[0]) < 19 else {}
