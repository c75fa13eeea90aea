"""Results as JSON, one record a line: to a stream, or to a file that goes on where it ended."""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from ..groups import GroupWindow
from ..results import FrameResult
from .line_file import LineFile
from .records import frame_record, window_record


class JsonLinesSink:
    """Writes one line a frame, and one a window of time where they are asked for.

    Lines go out at once where somebody waits for them: at a terminal, in a file, or from a live source. Otherwise
    (a recording into a pipe) they are buffered.

    Args:
        stream: Where to write; closed by whoever opened it.
        flush_each: Write every line out at once, whatever the stream and the source.
    """

    def __init__(self, stream: TextIO, *, flush_each: bool = False) -> None:
        self._stream = stream
        self._flush_each = flush_each or stream.isatty()

    def write(self, result: FrameResult) -> None:
        """Write the line of one frame."""
        self._write(frame_record(result), flush=result.frame.is_live)

    def write_window(self, window: GroupWindow) -> None:
        """Write the line of one window."""
        self._write(window_record(window), flush=True)

    def _write(self, record: dict[str, Any], *, flush: bool) -> None:
        self._stream.write(_line(record))
        if self._flush_each or flush:
            self._stream.flush()

    def __enter__(self) -> JsonLinesSink:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None or not isinstance(error, OSError):  # a stream that has failed fails again
            self._stream.flush()


class JsonLinesFileSink:
    """Appends the same lines to a file, each at once; see :class:`~fsrfer.runtime.sinks.line_file.LineFile`.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._file = LineFile(path)

    def write(self, result: FrameResult) -> None:
        """Append the line of one frame."""
        self._file.write(_line(frame_record(result)))

    def write_window(self, window: GroupWindow) -> None:
        """Append the line of one window."""
        self._file.write(_line(window_record(window)))

    def __enter__(self) -> JsonLinesFileSink:
        """Open the file.

        Raises:
            UsageError: It cannot be opened, or holds something else than JSON lines.
        """
        self._file.open(lambda line: line.startswith("{"), "a new file, or one of JSON lines")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def _line(record: dict[str, Any]) -> str:
    return json.dumps(record, allow_nan=False) + "\n"
