"""The option ``--json`` of commands that measure for long."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ..core.files import write_json
from ..core.schema import to_mapping
from .console import NOTES, print_json

STDOUT = "-"

JsonPath = Annotated[
    str | None, typer.Option("--json", help="Also write the report to a file; - prints it instead of the table.")
]


def write_report(report: Any, path: str | None) -> bool:
    """Write a report where it was asked for.

    Args:
        report: A dataclass.
        path: A file, ``-`` for stdout, None for nowhere.

    Returns:
        Whether it went to stdout, where nothing else may go then.
    """
    if path is None:
        return False
    if path == STDOUT:
        print_json(to_mapping(report))
        return True
    write_json(Path(path), to_mapping(report))
    NOTES.print(f"wrote {path}", markup=False, soft_wrap=True)
    return False
