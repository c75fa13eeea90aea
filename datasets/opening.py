"""Data sets by name: the text that users type after ``--data``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Protocol
from urllib.parse import parse_qsl

from ..core.errors import UsageError
from .ferplus import PIXELS_FILE, VOTES_FILE, open_ferplus
from .folder import open_folder
from .on_disk import Progress
from .rafdb import LIST_FILE, Variant, open_rafdb
from .sample import FaceDataset
from .splits import SPLITS, check_split
from .table import open_table

SPEC_FORMS: tuple[str, ...] = (
    "rafdb:PATH",
    "rafdb-original:PATH",
    "ferplus:PATH",
    "folder:PATH",
    "csv:FILE",
    "procedural?seed=0&count=6000&size=48",
)
"""What :func:`open_dataset` takes; each option of ``procedural`` may be left out."""


class _Opener(Protocol):
    def __call__(self, path: Path, split: str, *, skip_bad: bool, on_progress: Progress | None) -> FaceDataset: ...


_OPENERS: MappingProxyType[str, _Opener] = MappingProxyType(
    {
        "rafdb": open_rafdb,
        "rafdb-original": partial(open_rafdb, variant=Variant.ORIGINAL),
        "ferplus": open_ferplus,
        "folder": open_folder,
        "csv": open_table,
    }
)
_PROCEDURAL_OPTIONS = ("seed", "count", "size")


def open_dataset(spec: str, split: str, *, skip_bad: bool = False, on_progress: Progress | None = None) -> FaceDataset:
    """Open a data set by its name.

    Args:
        spec: One of :data:`SPEC_FORMS`.
        split: ``train``, ``valid`` or ``test``.
        skip_bad: Leave unusable files out, and log how many, instead of raising.
        on_progress: Called with the files done and their total while they are checked.

    Raises:
        UsageError: The text or the split is none that is known.
        DatasetError: The data set is absent, incomplete or malformed; the message names the files.
    """
    check_split(split)
    name, _, options = spec.partition("?")
    if name == "procedural":
        return _open_procedural(spec, options, split)
    prefix, _, location = spec.partition(":")
    if prefix not in _OPENERS or not location:
        raise _unknown_spec(spec)
    return _OPENERS[prefix](Path(location).expanduser(), split, skip_bad=skip_bad, on_progress=on_progress)


def _open_procedural(spec: str, options: str, split: str) -> FaceDataset:
    numbers: dict[str, int] = {}
    for key, text in parse_qsl(options, keep_blank_values=True):
        if key not in _PROCEDURAL_OPTIONS or key in numbers or not text.isdecimal():
            raise UsageError(
                f"{spec} has an unusable option",
                expected=f"{', '.join(_PROCEDURAL_OPTIONS)}, each at most once and a whole number",
                found=f"{key}={text}",
                fix=f"write it like {SPEC_FORMS[-1]}",
            )
        numbers[key] = int(text)
    from .procedural import ProceduralFaces  # loads PyAV, which no other data set needs

    return ProceduralFaces(split, **numbers)


def _unknown_spec(spec: str) -> UsageError:
    likely = _likely_spec(Path(spec).expanduser())
    return UsageError(
        f"{spec!r} names no data set",
        expected=f"one of {', '.join(SPEC_FORMS)}",
        fix=f"{likely[0]}: use {likely[1]}" if likely else None,
    )


def _likely_spec(path: Path) -> tuple[str, str] | None:
    """Return what a path looks like and the text for it. Only told, never acted upon: a guess may be wrong."""
    if path.suffix.lower() == ".csv" and path.is_file():
        return "it looks like a list of files", f"csv:{path}"
    if not path.is_dir():
        return None
    for folder in (path, path / "basic"):
        if (folder / LIST_FILE).is_file():
            return "it looks like RAF-DB", f"rafdb:{folder}"
    if any((path / f"{split}.npz").is_file() for split in SPLITS) or (
        (path / PIXELS_FILE).is_file() and (path / VOTES_FILE).is_file()
    ):
        return "it looks like FER+", f"ferplus:{path}"
    if any((path / split).is_dir() for split in SPLITS):
        return "it looks like folders of images", f"folder:{path}"
    return None
