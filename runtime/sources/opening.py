"""From what a user named to a source that can be read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from .camera import connect_camera
from .connection import Connection
from .counters import SourceCounters
from .gstreamer import connect_pipeline
from .live import LiveSource
from .network import connect_stream
from .pictures import PicturesSource
from .raw_video import RawVideoFormat, RawVideoSource
from .reconnect import ReconnectPolicy
from .source import FrameSource
from .specification import SourceKind, SourceSpec
from .video import VideoFileSource


def open_source(spec: SourceSpec, policy: ReconnectPolicy | None = None) -> FrameSource:
    """Return the source that a specification describes; nothing is opened before its frames are asked for.

    Args:
        spec: See :func:`~fsrfer.runtime.sources.parse_source`.
        policy: When to connect again; for cameras, streams and pipelines.
    """
    if spec.kind is SourceKind.PICTURES:
        return PicturesSource(spec.pictures, spec.name, spec.settings)
    if spec.kind is SourceKind.VIDEO:
        return VideoFileSource(Path(spec.location), spec.name, spec.settings)
    if spec.kind is SourceKind.RAW:
        return RawVideoSource(RawVideoFormat.parse(spec.location), spec.name, spec.settings)
    counters = SourceCounters(spec.name)
    connect = _connector(spec, counters)
    return LiveSource(spec.name, connect, policy, settings=spec.settings, counters=counters)


def _connector(spec: SourceSpec, counters: SourceCounters) -> Callable[[], Connection]:
    if spec.kind is SourceKind.CAMERA:
        return lambda: connect_camera(int(spec.location), spec.name, spec.settings, counters)
    if spec.kind is SourceKind.PIPELINE:
        return lambda: connect_pipeline(spec.location, spec.name, spec.settings, counters)
    return lambda: connect_stream(spec.location, spec.name, settings=spec.settings, counters=counters)
