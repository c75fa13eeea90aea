"""From what a user named to a source that can be read."""

from __future__ import annotations

from pathlib import Path

from .camera import connect_camera
from .live import LiveSource
from .network import connect_stream
from .pictures import PicturesSource
from .reconnect import ReconnectPolicy
from .source import FrameSource
from .specification import SourceKind, SourceSpec
from .video import VideoFileSource


def open_source(spec: SourceSpec, policy: ReconnectPolicy | None = None) -> FrameSource:
    """Return the source that a specification describes; nothing is opened before its frames are asked for.

    Args:
        spec: See :func:`~fsrfer.runtime.sources.parse_source`.
        policy: When to connect again; for cameras and streams.
    """
    if spec.kind is SourceKind.PICTURES:
        return PicturesSource(spec.pictures, spec.name)
    if spec.kind is SourceKind.VIDEO:
        return VideoFileSource(Path(spec.location), spec.name)
    if spec.kind is SourceKind.CAMERA:
        return LiveSource(spec.name, lambda: connect_camera(int(spec.location), spec.name), policy)
    return LiveSource(spec.name, lambda: connect_stream(spec.location), policy)
