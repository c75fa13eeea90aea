"""Files and folders that are written after long work: whether they can be, before it begins."""

from __future__ import annotations

import os
from pathlib import Path

from ..core.errors import UsageError


def check_writable(path: str | None, option: str, *, or_stdout: bool = False) -> None:
    """Find out before measuring what would lose the measurement afterwards.

    Args:
        path: File that will be written; None for none.
        option: Option that names it, for the message.
        or_stdout: ``-`` stands for stdout.

    Raises:
        UsageError: It cannot be written.
    """
    if path is None or (or_stdout and path == "-"):
        return
    file = Path(path)
    expected = "a file, or -" if or_stdout else "a file"
    if file.is_dir():
        raise UsageError(f"{option} names a folder", expected=expected, found=path)
    there = _nearest(file)
    if not os.access(there, os.W_OK) or (there != file and not there.is_dir()):
        raise UsageError(f"{option} cannot be written", expected="a file in a folder that may be written", found=path)


def check_writable_folder(path: Path | None, option: str) -> None:
    """Find out before long work whether files can be put into a folder, which need not be there yet.

    Args:
        path: The folder; None for none.
        option: Option that names it, for the message.

    Raises:
        UsageError: They cannot.
    """
    if path is None:
        return
    there = _nearest(path)
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise UsageError(f"{option} cannot be written to", expected="a folder that may be written to", found=path)


def _nearest(path: Path) -> Path:
    """Return what exists of a path: itself, or the closest folder above it."""
    return next(one for one in (path, *path.absolute().parents) if one.exists())
