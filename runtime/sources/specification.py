"""What a user may name as a source, understood once."""

from __future__ import annotations

import re
import stat
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path

from ...core.errors import SourceError
from .address import is_address, redact_address, scheme_of

PICTURE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
VIDEO_SUFFIXES = frozenset(
    {".264", ".avi", ".flv", ".h264", ".h265", ".hevc", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg"}
    | {".mts", ".ogv", ".ts", ".webm", ".wmv"}
)
NETWORK_SCHEMES = frozenset({"http", "https", "rtsp", "rtsps"})

_FORMS = "a camera (0, /dev/video0), an rtsp(s):// or http(s):// address, a video, a picture, or a folder of pictures"
_VIDEO_DEVICE = re.compile(r"/dev/video(\d+)")


class SourceKind(str, Enum):
    """What a source is."""

    CAMERA = "camera"
    NETWORK = "network"
    VIDEO = "video"
    PICTURES = "pictures"


@dataclass(frozen=True)
class SourceSpec:
    """A source that a user named.

    Attributes:
        kind: What it is.
        name: How to speak of it; holds no credentials.
        location: Number of a camera's device, address, or path. It may hold a password: never print it.
        pictures: Paths of the pictures, sorted by name; empty for other kinds.
    """

    kind: SourceKind
    name: str
    location: str = field(repr=False)
    pictures: tuple[Path, ...] = field(default=(), repr=False)


def parse_sources(texts: Iterable[str]) -> tuple[SourceSpec, ...]:
    """Understand several sources, and number those whose names would be the same.

    Raises:
        SourceError: See :func:`parse_source`.
    """
    specs = [parse_source(text) for text in texts]
    seen: Counter[str] = Counter()
    named = []
    for spec in specs:
        seen[spec.name] += 1
        repeated = seen[spec.name] > 1
        named.append(replace(spec, name=f"{spec.name}#{seen[spec.name]}") if repeated else spec)
    return tuple(named)


def parse_source(text: str) -> SourceSpec:
    """Understand what a user named; files are looked at, cameras and addresses are not opened.

    Args:
        text: Number or device of a camera, ``rtsp(s)://`` or ``http(s)://`` address, path of a video or a picture, or
            path of a folder of pictures.

    Raises:
        SourceError: It is none of these, the file is missing, or the folder has no pictures.
    """
    if text.isdecimal() and text.isascii():
        return SourceSpec(SourceKind.CAMERA, f"camera {int(text)}", str(int(text)))
    if is_address(text):
        return _parse_address(text)
    path = Path(text)
    if device := _VIDEO_DEVICE.fullmatch(text):
        return _parse_device(path, device.group(1))
    if path.is_dir():
        return _parse_folder(path)
    return _parse_file(path)


def _parse_address(text: str) -> SourceSpec:
    shown = redact_address(text)
    if scheme_of(text) not in NETWORK_SCHEMES:
        raise SourceError(
            f"cannot read {shown}", expected=f"an address with one of {', '.join(sorted(NETWORK_SCHEMES))}"
        )
    return SourceSpec(SourceKind.NETWORK, shown, text)


def _parse_device(path: Path, number: str) -> SourceSpec:
    if not path.exists() or not stat.S_ISCHR(path.stat().st_mode):
        present = ", ".join(sorted(str(device) for device in Path("/dev").glob("video*")))
        raise SourceError(f"there is no camera {path}", found=present or "no camera at all", fix="plug it in")
    return SourceSpec(SourceKind.CAMERA, str(path), number)


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
        raise SourceError(f"there is no file {path}", expected=_FORMS, fix="check the path")
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
