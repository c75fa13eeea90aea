"""The option ``--json`` of commands that measure for long."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from ..core.errors import UsageError
from ..core.files import write_json
from ..core.schema import to_mapping
from .console import NOTES, print_json

STDOUT = "-"

JsonPath = Annotated[
    str | None, typer.Option("--json", help="Also write the report to a file; - prints it instead of the table.")
]


def check_report_path(path: str | None, option: str = "--json") -> None:
    """Find out before measuring what would lose the measurement afterwards.

    Args:
        path: Where the report goes; None for nowhere.
        option: Name of the option, for the message.

    Raises:
        UsageError: It cannot be written there.
    """
    if path is None or path == STDOUT:
        return
    target = Path(path)
    if target.is_dir():
        raise UsageError(f"{option} names a folder", expected="a file", found=path)
    there = next(folder for folder in (target, *target.absolute().parents) if folder.exists())
    if not os.access(there, os.W_OK) or (there != target and not there.is_dir()):
        raise UsageError(f"{option} cannot be written", expected="a file in a folder that may be written", found=path)


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
