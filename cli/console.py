"""Where a command's words go: results to stdout, everything else to stderr."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

NOTES = Console(stderr=True, highlight=False)
"""Console for progress and remarks."""


def command_line() -> str:
    """Return the command that runs, as a user would type it again; for the files that it leaves."""
    program, *words = sys.argv
    return shlex.join([Path(program).name, *words])


def note_resolution(faces: int, points: float) -> None:
    """Say so where single faces would decide whether a bound is met.

    Args:
        faces: Faces of each size that are looked at.
        points: The bound, in points of accuracy; 0 for none.
    """
    if points and faces < 100 / points:
        NOTES.print(f"{faces} faces cannot resolve {points:g} points: a single face is {100 / faces:.2f}", markup=False)


def print_json(value: Any) -> None:
    """Print a value as indented JSON on stdout."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, dense: bool = False) -> None:
    """Print a table on stdout; the first column is left-aligned, the others are numbers.

    Args:
        title: Line above it.
        columns: Headings.
        rows: Cells.
        dense: Without a frame, for tables of many columns.
    """
    if dense:
        table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    else:
        table = Table(title=title, title_justify="left")
    for position, column in enumerate(columns):
        table.add_column(column, justify="left" if position == 0 else "right")
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    Console(highlight=False).print(table)


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """Show progress bars on stderr while the block runs."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=NOTES) as progress:
        yield progress
