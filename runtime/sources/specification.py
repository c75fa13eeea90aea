"""What a user may name as a source, understood once."""

from __future__ import annotations

import re
import stat
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ...core.errors import SourceError
from .address import is_address, redact_address, scheme_of
from .gstreamer import is_pipeline, redact_pipeline
from .raw_video import RawVideoFormat
from .settings import SourceSettings

PICTURE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
VIDEO_SUFFIXES = frozenset(
    {".264", ".avi", ".flv", ".h264", ".h265", ".hevc", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg"}
    | {".mts", ".ogv", ".ts", ".webm", ".wmv"}
)
NETWORK_SCHEMES = frozenset({"http", "https", "rtsp", "rtsps"})

_FORMS = (
    "a camera (0, /dev/video0), an rtsp(s):// or http(s):// address, a video, a picture, a folder of pictures, "
    "a file of sources (.toml), gst:PIPELINE, or raw:WIDTHxHEIGHT:FORMAT@FPS"
)
_VIDEO_DEVICE = re.compile(r"/dev/video(\d+)")


class SourceKind(str, Enum):
    """What a source is."""

    CAMERA = "camera"
    NETWORK = "network"
    PIPELINE = "pipeline"
    RAW = "raw"
    VIDEO = "video"
    PICTURES = "pictures"


@dataclass(frozen=True)
class SourceSpec:
    """A source that a user named.

    Attributes:
        kind: What it is.
        name: How to speak of it; holds no credentials.
        location: Number of a camera's device, address, pipeline, format of bare frames, or path. It may hold a
            password: never print it.
        pictures: Paths of the pictures, sorted by name; empty for other kinds.
        settings: How to read it, and where to look for faces in it.
    """

    kind: SourceKind
    name: str
    location: str = field(repr=False)
    pictures: tuple[Path, ...] = field(default=(), repr=False)
    settings: SourceSettings = field(default_factory=SourceSettings)

    @property
    def may_be_live(self) -> bool:
        """Whether its frames may not wait for their reader; an address may also turn out to be a file."""
        if self.kind is SourceKind.RAW:
            return RawVideoFormat.parse(self.location).is_live
        return self.kind in (SourceKind.CAMERA, SourceKind.NETWORK, SourceKind.PIPELINE)


def parse_source(text: str, *, folder: Path = Path()) -> SourceSpec:
    """Understand what a user named; files are looked at, cameras, addresses and pipelines are not opened.

    Args:
        text: Number or device of a camera, ``rtsp(s)://`` or ``http(s)://`` address, path or ``file://`` address of a
            video, a picture or a folder of pictures, ``gst:PIPELINE``, or ``raw:WIDTHxHEIGHT:FORMAT@FPS`` for bare
            frames from the standard input.
        folder: What relative paths start from.

    Raises:
        SourceError: It is none of these, the file is missing, or the folder has no pictures.
    """
    if text.isdecimal() and text.isascii():
        return SourceSpec(SourceKind.CAMERA, f"camera {int(text)}", str(int(text)))
    if is_pipeline(text):
        return SourceSpec(SourceKind.PIPELINE, redact_pipeline(text), text)
    if text.startswith("raw:"):
        RawVideoFormat.parse(text)
        return SourceSpec(SourceKind.RAW, text, text)
    if is_address(text):
        return _parse_file_address(text) if scheme_of(text) == "file" else _parse_address(text)
    if device := _VIDEO_DEVICE.fullmatch(text):
        return _parse_device(Path(text), device.group(1))
    return _parse_path(folder / text)


def refuse_shared_pipe(specs: tuple[SourceSpec, ...]) -> None:
    """Refuse several sources on the one standard input.

    Raises:
        SourceError: There are several.
    """
    names = [spec.name for spec in specs if spec.kind is SourceKind.RAW]
    if len(names) > 1:
        raise SourceError(
            "the standard input can carry one source only", expected="one raw: source", found=", ".join(names)
        )


def _parse_address(text: str) -> SourceSpec:
    shown = redact_address(text)
    if scheme_of(text) not in NETWORK_SCHEMES:
        known = ", ".join(sorted({*NETWORK_SCHEMES, "file"}))
        raise SourceError(f"cannot read {shown}", expected=f"an address with one of {known}")
    return SourceSpec(SourceKind.NETWORK, shown, text)


def _parse_file_address(text: str) -> SourceSpec:
    # RFC 8089: no host, or this one.
    parts = urlsplit(text)
    if parts.netloc not in ("", "localhost"):
        raise SourceError(
            f"cannot read {redact_address(text)}",
            expected="a path after file://, as in file:///var/clips/lobby.mp4",
            found="a host" if "@" in parts.netloc else f"the host {parts.netloc!r}",
        )
    return _parse_path(Path(unquote(parts.path)))


def _parse_device(path: Path, number: str) -> SourceSpec:
    if not path.exists() or not stat.S_ISCHR(path.stat().st_mode):
        present = ", ".join(sorted(str(device) for device in Path("/dev").glob("video*")))
        raise SourceError(f"there is no camera {path}", found=present or "no camera at all", fix="plug it in")
    return SourceSpec(SourceKind.CAMERA, str(path), number)


def _parse_path(path: Path) -> SourceSpec:
    return _parse_folder(path) if path.is_dir() else _parse_file(path)


def _parse_folder(path: Path) -> SourceSpec:
    pictures = tuple(sorted(file for file in path.iterdir() if file.suffix.lower() in PICTURE_SUFFIXES))
    if not pictures:
        raise SourceError(
            f"folder {path} has no pictures",
            expected=f"files ending in {', '.join(sorted(PICTURE_SUFFIXES))}",
            found=f"{sum(1 for _ in path.iterdir())} other entries",
            fix="name the folder that holds the pictures themselves; folders inside it are not searched",
        )
    return SourceSpec(SourceKind.PICTURES, str(path), str(path), pictures)


def _parse_file(path: Path) -> SourceSpec:
    if not path.exists():
        # A mistyped address (`rtsp:/user:password@camera`) must not show its password either.
        shown = f"***@{str(path).rpartition('@')[2]}" if "@" in str(path) else path
        raise SourceError(f"there is no file {shown}", expected=_FORMS, fix="check the path")
    suffix = path.suffix.lower()
    if suffix in PICTURE_SUFFIXES:
        return SourceSpec(SourceKind.PICTURES, str(path), str(path), (path,))
    if suffix in VIDEO_SUFFIXES:
        return SourceSpec(SourceKind.VIDEO, str(path), str(path))
    raise SourceError(
        f"cannot tell what {path} is",
        expected=f"a video ({' '.join(sorted(VIDEO_SUFFIXES))}) or a picture ({' '.join(sorted(PICTURE_SUFFIXES))})",
        found=f"the suffix {suffix!r}",
        fix="give the file the suffix of its format",
    )
