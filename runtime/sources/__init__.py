"""Where frames come from: cameras, network streams, video files, pictures."""

from .address import redact_address
from .collector import FrameCollector
from .opening import open_source
from .reconnect import ReconnectPolicy
from .source import FrameSource
from .specification import SourceKind, SourceSpec, parse_source, parse_sources
from .status import DropReason, SourceState, SourceStatus

__all__ = [
    "DropReason",
    "FrameCollector",
    "FrameSource",
    "ReconnectPolicy",
    "SourceKind",
    "SourceSpec",
    "SourceState",
    "SourceStatus",
    "open_source",
    "parse_source",
    "parse_sources",
    "redact_address",
]
