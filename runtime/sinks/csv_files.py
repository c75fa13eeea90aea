"""Results as CSV tables (RFC 4180): one row a face, or one row a window of time."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ..groups import GroupWindow
from ..results import FrameResult
from .line_file import LineFile
from .records import frame_record, window_record
from .sink import SinkError

if TYPE_CHECKING:  # part of `typing` from Python 3.11 on
    from typing_extensions import Self

FACE_COLUMNS = (
    *("source", "frame", "time_s", "clock", "x0", "y0", "x1", "y1", "detection_score", "face_size_px"),
    *("label", "confidence", "abstained", "track_id", "track_age_s", "is_detected", "was_read"),
)
"""Columns of a face; one ``probability_EXPRESSION`` for each expression of the model follows."""

GROUP_COLUMNS = ("source", "start_s", "end_s", "clock", "frames", "people", "faces_per_frame", "suppressed")
"""Columns of a window; ``share_EXPRESSION`` and ``margin_EXPRESSION`` for each expression of the model follow."""

# What a spreadsheet takes for the begin of a formula, full-width forms included (OWASP, "CSV Injection").
_FORMULA_BEGINS = tuple("=+-@\uff1d\uff0b\uff0d\uff20")


class _TableSink:
    """What both tables share: the file, open while the sink is entered."""

    def __init__(self, path: Path, columns: tuple[str, ...]) -> None:
        self._table = _Table(path, columns)

    def __enter__(self) -> Self:
        """Open the file.

        Raises:
            UsageError: It cannot be opened, or holds something else.
        """
        self._table.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._table.close()


class FaceCsvSink(_TableSink):
    """Appends one row a face to a table; a frame without faces has none.

    Columns are :data:`FACE_COLUMNS`, then the probabilities. Cells are empty where nothing is known: the tracks where
    nobody is followed, the probabilities where the model gave no numbers.

    Args:
        path: The file; see :class:`~fsrfer.runtime.sinks.line_file.LineFile`.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, FACE_COLUMNS)

    def write(self, result: FrameResult) -> None:
        """Append the faces of one frame.

        Raises:
            SinkError: The file was begun with a model of other expressions.
            OSError: It cannot be written to any more.
        """
        labels = result.predictions.labels
        record = frame_record(result)
        self._table.write(
            [f"probability_{label}" for label in labels],
            (_face_row(record, face, labels) for face in record["faces"]),
        )


class GroupCsvSink(_TableSink):
    """Appends one row a window of time to a table, and nothing for single frames.

    Columns are :data:`GROUP_COLUMNS`, then the shares, then their margins. Cells are empty where nothing is said.

    Args:
        path: The file; see :class:`~fsrfer.runtime.sinks.line_file.LineFile`.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, GROUP_COLUMNS)

    def write(self, result: FrameResult) -> None:
        """Leave out a single frame."""

    def write_window(self, window: GroupWindow) -> None:
        """Append one window.

        Raises:
            SinkError: The file was begun with a model of other expressions.
            OSError: It cannot be written to any more.
        """
        record = window_record(window)
        kinds = ("share", record["shares"]), ("margin", record["margin"])
        self._table.write(
            [f"{kind}_{label}" for kind, _ in kinds for label in window.labels],
            [
                [record[column] for column in GROUP_COLUMNS]
                + [None if values is None else values[label] for _, values in kinds for label in window.labels]
            ],
        )


class _Table:
    """A file with a head; how it goes on after the fixed columns shows only in the first result."""

    def __init__(self, path: Path, columns: tuple[str, ...]) -> None:
        self._file = LineFile(path, quote='"')
        self._columns = columns
        self._head: str | None = None

    def open(self) -> None:
        begin = ",".join(self._columns)
        self._file.open(lambda line: line.startswith(begin), f"a new file, or a table that begins with {begin}")

    def write(self, further_columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        if self._head is None or self._file.is_empty:
            self._begin(_csv_lines([[*self._columns, *further_columns]]))
        text = _csv_lines(rows)
        if text:
            self._file.write(text)

    def _begin(self, head: str) -> None:
        there = "" if self._head is not None else self._file.first_line
        if there and there != head.rstrip("\r\n"):
            raise SinkError(
                f"{self._file.path} was begun with other columns",
                expected=head.rstrip("\r\n"),
                found=there,
                fix="name another file",
            )
        if not there:
            self._file.write(head)
        self._head = head

    def close(self) -> None:
        self._file.close()


def _face_row(record: dict[str, Any], face: dict[str, Any], labels: Sequence[str]) -> list[Any]:
    said = {**record, **face, **dict(zip(("x0", "y0", "x1", "y1"), face["box"], strict=True))}
    return [said.get(column) for column in FACE_COLUMNS] + [face["probabilities"].get(label) for label in labels]


def _csv_lines(rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return _inert(value) if isinstance(value, str) else value


def _inert(text: str) -> str:
    """Put an apostrophe before what a spreadsheet would take for a formula: names of sources come from anywhere."""
    return f"'{text}" if text.lstrip().startswith(_FORMULA_BEGINS) or text[:1] in ("\t", "\r", "\n") else text
