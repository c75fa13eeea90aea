"""Where frames come from: cameras, network streams, pipelines, video files, pictures."""

from .address import redact_address
from .collector import FrameCollector
from .opening import open_source
from .reconnect import ReconnectPolicy
from .settings import SourceSettings, Transport
from .shard import Shard, shard_of
from .source import FrameSource
from .source_file import read_source_file
from .source_list import SourceChanges, changes, parse_sources
from .specification import SourceKind, SourceSpec, parse_source
from .status import DropReason, SourceState, SourceStatus

__all__ = [
    "DropReason",
    "FrameCollector",
    "FrameSource",
    "ReconnectPolicy",
    "Shard",
    "SourceChanges",
    "SourceKind",
    "SourceSettings",
    "SourceSpec",
    "SourceState",
    "SourceStatus",
    "Transport",
    "changes",
    "open_source",
    "parse_source",
    "parse_sources",
    "read_source_file",
    "redact_address",
    "shard_of",
]
