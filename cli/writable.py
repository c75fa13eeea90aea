"""Files that are written after long work: whether they can be, before it begins."""

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
    there = next(folder for folder in (file, *file.absolute().parents) if folder.exists())
    if not os.access(there, os.W_OK) or (there != file and not there.is_dir()):
        raise UsageError(f"{option} cannot be written", expected="a file in a folder that may be written", found=path)
