"""Faces listed in a CSV file: ``file,label`` and, where there is one, ``split``."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import DatasetError
from ..core.labels import CANONICAL_LABELS, canonical_label
from .faults import SkippedFile
from .on_disk import FaceFile, FacesOnDisk, Progress, open_files
from .splits import SPLITS, check_split

_REQUIRED = ("file", "label")


def open_table(path: Path, split: str, *, skip_bad: bool = False, on_progress: Progress | None = None) -> FacesOnDisk:
    """Open the image files that a CSV file lists.

    The expressions are those of the whole list, in canonical order, so that all splits number them alike. Without a
    column ``split`` every row belongs to the split that is asked for, and the identity says so. Any other column is
    an attribute of the face.

    Args:
        path: UTF-8 CSV file with a header; paths in it are relative to its folder.
        split: ``train``, ``valid`` or ``test``.
        skip_bad: Leave unusable rows and files out instead of raising.
        on_progress: Called with the files done and their total.

    Raises:
        DatasetError: The list cannot be read, or rows or files are unusable.
    """
    check_split(split)
    header, rows = _read(path)
    entries, faults = _parse(path, rows)
    present = {entry.label for entry in entries}
    labels = tuple(label for label in CANONICAL_LABELS if label in present)
    has_splits = "split" in header
    files = [
        FaceFile(path.parent / entry.file, labels.index(entry.label), entry.file, attributes=entry.attributes)
        for entry in entries
        if not has_splits or entry.split == split
    ]
    return open_files(
        files,
        name="csv",
        split=split,
        labels=labels,
        options={} if has_splits else {"split": "every-row"},
        faults=faults,
        skip_bad=skip_bad,
        on_progress=on_progress,
    )


@dataclass(frozen=True)
class _Entry:
    file: str
    label: str
    split: str
    attributes: dict[str, str]


def _read(path: Path) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, restval="", restkey="", skipinitialspace=True)
            header = [name.strip() for name in reader.fieldnames or ()]
            reader.fieldnames = header
            rows = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as problem:
        raise DatasetError(
            f"{path} cannot be read",
            expected="a CSV file in UTF-8",
            found=str(problem),
            fix="name the file itself, as in csv:faces.csv",
        ) from problem
    if not set(_REQUIRED) <= set(header) or len(set(header)) != len(header):
        raise DatasetError(
            f"{path} has other columns",
            expected="file,label or file,label,split in the first line, each column once",
            found=",".join(header) or "an empty file",
        )
    return header, rows


def _parse(path: Path, rows: list[tuple[int, dict[str, str]]]) -> tuple[list[_Entry], list[SkippedFile]]:
    entries: dict[str, _Entry] = {}
    faults: list[SkippedFile] = []
    for line, row in rows:
        entry = _entry(row)
        if isinstance(entry, _Entry) and entry.file in entries:
            entry = f"{entry.file} is listed twice"
        if isinstance(entry, _Entry):
            entries[entry.file] = entry
        else:
            faults.append(SkippedFile(f"{path}, line {line}", entry))
    return list(entries.values()), faults


def _entry(row: dict[str, str]) -> _Entry | str:
    """Return what a row says, or what is wrong with it."""
    if "" in row:
        return "has more fields than the header"
    cells = {name: text.strip() for name, text in row.items()}
    file, label, split = cells.pop("file"), cells.pop("label"), cells.pop("split", None)
    if not file:
        return "names no file"
    if split is not None and split not in SPLITS:
        return f"split {split!r} is none of {', '.join(SPLITS)}"
    try:
        return _Entry(Path(file).as_posix(), canonical_label(label), split or "", cells)
    except DatasetError as problem:
        return problem.message
