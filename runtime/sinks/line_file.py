"""A text file of whole lines that grows over many runs."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from io import FileIO
from pathlib import Path

from ...core.errors import UsageError

_LONGEST_LINE = 1 << 20


class LineFile:
    """Appends lines to a file, each block of them by a single write and at once.

    A run that is started again goes on where the one before ended. Whoever reads along sees whole lines; so does
    whoever copies the file and truncates it to rotate it. On a full disk what was written of the last block is taken
    back. A power cut may cost the last seconds, and leave a torn line: the next run ends it before it writes its own.

    Args:
        path: The file. A device or a named pipe is written to as it is.
        quote: What encloses text that may hold line ends; a torn line is not left inside it.
    """

    def __init__(self, path: Path, *, quote: str = "") -> None:
        self.path = path
        self._quote = quote.encode()
        self.first_line = ""
        self._file: FileIO | None = None

    def open(self, is_ours: Callable[[str], bool], expected: str) -> None:
        """Open the file, or make it; ``first_line`` then is what it begins with, without its line end.

        Args:
            is_ours: Tells from the first line, which is not empty, whether lines may be appended.
            expected: What would be right, for the message.

        Raises:
            UsageError: The file cannot be opened, or is not ours.
        """
        try:
            self.first_line = _first_line(self.path)
            is_foreign = bool(self.first_line) and not is_ours(self.first_line)
            if not is_foreign:
                torn = _torn_line(self.path)
                # Unbuffered: nothing is left over that could fail again at the end.
                self._file = FileIO(self.path, "ab")
                if torn:
                    is_open = bool(self._quote) and torn.count(self._quote) % 2
                    self.write(f"{self._quote.decode() if is_open else ''}\n")
        except OSError as problem:
            raise UsageError(
                f"cannot write to {self.path}", found=problem.strerror, fix="name a file in a folder that is there"
            ) from problem
        if is_foreign:
            raise UsageError(f"{self.path} holds something else", expected=expected, fix="name another file")

    def write(self, text: str) -> None:
        """Append lines.

        Args:
            text: Whole lines with their line ends. What UTF-8 cannot hold, as names of files may, is escaped.

        Raises:
            OSError: The disk is full, or gone.
        """
        if self._file is None:
            raise ValueError(f"{self.path} is not open")
        rest = memoryview(text.encode("utf-8", "backslashreplace"))
        written = 0
        try:
            while written < len(rest):
                written += self._file.write(rest[written:]) or 0
        except OSError:
            self._take_back(written)
            raise

    @property
    def is_empty(self) -> bool:
        """Whether the file holds nothing: it is new, or was truncated by somebody else. Never so for a pipe."""
        if self._file is None:
            raise ValueError(f"{self.path} is not open")
        state = os.fstat(self._file.fileno())
        return stat.S_ISREG(state.st_mode) and state.st_size == 0

    def _take_back(self, count: int) -> None:
        if count and self._file is not None:
            with suppress(OSError):  # a pipe cannot
                self._file.truncate(os.fstat(self._file.fileno()).st_size - count)

    def close(self) -> None:
        """Close the file; all lines are written already."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _first_line(path: Path) -> str:
    if not path.is_file():
        return ""
    with path.open("rb") as stream:
        return stream.readline(_LONGEST_LINE).decode("utf-8", "replace").rstrip("\r\n")


def _torn_line(path: Path) -> bytes:
    """Return what follows the last line end."""
    if not path.is_file():
        return b""
    with path.open("rb") as stream:
        stream.seek(max(path.stat().st_size - _LONGEST_LINE, 0))
        return stream.read().rpartition(b"\n")[2]
