"""RAF-DB, basic expressions (Li, Deng and Du, CVPR 2017), in the layout of its release.

::

    EmoLabel/list_patition_label.txt            train_00001.jpg 5     (so spelt; 1 to 7)
    Image/aligned/train_00001_aligned.jpg       100x100, aligned by eyes and mouth
    Image/original/train_00001.jpg              the photograph
    Annotation/boundingbox/train_00001_boundingbox.txt     x0 y0 x1 y1 in the photograph (since release 1.1)
    Annotation/manual/train_00001_manu_attri.txt           five landmarks, then gender, race and age codes

The release has a train and a test split. ``valid`` is a tenth of each expression's training faces: those whose file
names have the smallest SHA-256, so that it is the same everywhere and does not move when files are missing.
"""

from __future__ import annotations

import hashlib
import logging
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path, PurePath

from ..core.errors import DatasetError
from ..core.labels import RAFDB_LABELS
from .faults import SkippedFile
from .on_disk import FaceFile, FacesOnDisk, Progress, open_files
from .splits import check_split

_log = logging.getLogger(__name__)

LIST_FILE = PurePath("EmoLabel/list_patition_label.txt")
HELD_OUT_FRACTION = 0.1

_LABEL_CODES = tuple(str(number) for number in range(1, len(RAFDB_LABELS) + 1))
_BOX_FOLDER = PurePath("Annotation/boundingbox")
_ATTRIBUTE_FOLDER = PurePath("Annotation/manual")
_ATTRIBUTES = {
    "gender": ("male", "female", "unsure"),
    "race": ("Caucasian", "African-American", "Asian"),
    "age": ("0-3", "4-19", "20-39", "40-69", "70+"),
}


class Variant(str, Enum):
    """Which pictures of RAF-DB; the value is their folder below ``Image``."""

    ALIGNED = "aligned"
    ORIGINAL = "original"


def open_rafdb(
    path: Path,
    split: str,
    *,
    variant: Variant = Variant.ALIGNED,
    margin: float = 0.1,
    skip_bad: bool = False,
    on_progress: Progress | None = None,
) -> FacesOnDisk:
    """Open RAF-DB.

    Args:
        path: Folder with ``EmoLabel`` and ``Image``.
        split: ``train``, ``valid`` or ``test``.
        variant: Aligned faces, or the photographs. Of these the bounding box is cut out where the release has boxes,
            else the whole photograph is the face; the identity says which.
        margin: What a box is widened by on each side, as a fraction of its longer side.
        skip_bad: Leave unusable files out instead of raising.
        on_progress: Called with the files done and their total.

    Raises:
        DatasetError: The folder is not RAF-DB, or files are unusable.
    """
    _check_layout(path, variant)
    entries, faults = _read_list(path / LIST_FILE)
    options: dict[str, object] = {"variant": variant.value}
    boxed = variant is Variant.ORIGINAL and (path / _BOX_FOLDER).is_dir()
    if variant is Variant.ORIGINAL:
        options["crop"] = f"box{margin:+g}" if boxed else "none"
    files: list[FaceFile] = []
    for entry in _entries_of_split(entries, check_split(split)):
        outcome = _face_file(path, entry, variant, boxed=boxed)
        if isinstance(outcome, FaceFile):
            files.append(outcome)
        else:
            faults.append(outcome)
    return open_files(
        files,
        name="rafdb",
        split=split,
        labels=RAFDB_LABELS,
        options=options,
        faults=faults,
        margin=margin,
        skip_bad=skip_bad,
        on_progress=on_progress,
    )


@dataclass(frozen=True)
class _Entry:
    name: str  # train_00001.jpg
    label: int  # index into RAFDB_LABELS

    @property
    def stem(self) -> str:
        return PurePath(self.name).stem


def _check_layout(path: Path, variant: Variant) -> None:
    if not (path / LIST_FILE).is_file():
        inner = path / "basic"
        raise DatasetError(
            f"{path} is not RAF-DB",
            expected=f"a folder with {LIST_FILE}",
            found="no such file" if path.is_dir() else "no such folder",
            fix=f"name {inner}" if (inner / LIST_FILE).is_file() else "name the folder that holds EmoLabel and Image",
        )
    images = path / "Image" / variant.value
    if not images.is_dir():
        packed = images.with_suffix(".zip")
        raise DatasetError(
            f"{images} is missing",
            expected=f"the folder of {variant.value} pictures",
            fix=f"unzip {packed} -d {packed.parent}" if packed.is_file() else "copy the pictures there",
        )


def _read_list(file: Path) -> tuple[list[_Entry], list[SkippedFile]]:
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (UnicodeDecodeError, OSError) as problem:
        raise DatasetError(f"{file} cannot be read", found=str(problem), fix="copy it again") from problem
    entries: dict[str, _Entry] = {}
    faults: list[SkippedFile] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        entry = _parse_line(line)
        if isinstance(entry, _Entry) and entry.name in entries:
            entry = f"{entry.name} is listed twice"
        if isinstance(entry, _Entry):
            entries[entry.name] = entry
        else:
            faults.append(SkippedFile(f"{file}, line {number}", entry))
    return list(entries.values()), faults


def _parse_line(line: str) -> _Entry | str:
    """Return what a line says, or what is wrong with it."""
    match line.split():
        case [name, _] if not name.startswith(("train_", "test_")):
            return f"{name} begins neither with train_ nor with test_"
        case [name, code] if code in _LABEL_CODES:
            return _Entry(name, _LABEL_CODES.index(code))
        case [_, code]:
            return f"label {code} is not one of {', '.join(_LABEL_CODES)}"
    return f"{line.strip()!r} is not a file name and a label"


def _entries_of_split(entries: Sequence[_Entry], split: str) -> list[_Entry]:
    if split == "test":
        return [entry for entry in entries if entry.name.startswith("test_")]
    training = [entry for entry in entries if entry.name.startswith("train_")]
    held_out = _held_out(training)
    return [entry for entry in training if (entry.name in held_out) == (split == "valid")]


def _held_out(entries: Sequence[_Entry]) -> set[str]:
    names_of_label: defaultdict[int, list[str]] = defaultdict(list)
    for entry in entries:
        names_of_label[entry.label].append(entry.name)
    chosen: set[str] = set()
    for names in names_of_label.values():
        names.sort(key=lambda name: hashlib.sha256(name.encode()).digest())
        chosen.update(names[: math.ceil(len(names) * HELD_OUT_FRACTION)] if len(names) > 1 else ())
    return chosen


def _face_file(path: Path, entry: _Entry, variant: Variant, *, boxed: bool) -> FaceFile | SkippedFile:
    try:
        box = _read_box(path / _BOX_FOLDER / f"{entry.stem}_boundingbox.txt") if boxed else None
        attributes = _read_attributes(path / _ATTRIBUTE_FOLDER / f"{entry.stem}_manu_attri.txt")
    except (OSError, ValueError) as problem:
        return SkippedFile(entry.name, str(problem))
    suffix = PurePath(entry.name).suffix
    file_name = entry.name if variant is Variant.ORIGINAL else f"{entry.stem}_aligned{suffix}"
    return FaceFile(
        path=path / "Image" / variant.value / file_name,
        label=entry.label,
        sample_id=entry.name,
        box=box,
        attributes=attributes,
    )


def _read_box(file: Path) -> tuple[float, float, float, float]:
    if not file.is_file():
        raise ValueError(f"has no bounding box: {file} is missing")
    numbers = [float(text) for text in file.read_text(encoding="utf-8").split()]
    if len(numbers) != 4 or not all(map(math.isfinite, numbers)):
        raise ValueError(f"{file} does not hold four numbers")
    x0, y0, x1, y1 = numbers
    if x0 >= x1 or y0 >= y1:
        raise ValueError(f"{file} holds an empty box: {x0:g} {y0:g} {x1:g} {y1:g}")
    return x0, y0, x1, y1


def _read_attributes(file: Path) -> dict[str, str]:
    if not file.is_file():
        return {}
    codes = file.read_text(encoding="utf-8").split()[-len(_ATTRIBUTES) :]
    attributes = {}
    for (name, meanings), code in zip(_ATTRIBUTES.items(), codes, strict=False):
        if code not in {str(number) for number in range(len(meanings))}:
            raise ValueError(f"{file} has the unknown {name} code {code}")
        attributes[name] = meanings[int(code)]
    return attributes
