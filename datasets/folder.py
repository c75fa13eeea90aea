"""Faces in folders: ``PATH/train/happiness/anything.jpg``."""

from __future__ import annotations

from pathlib import Path

from ..core.errors import DatasetError
from ..core.labels import CANONICAL_LABELS, canonical_label
from .faults import SkippedFile
from .image_files import IMAGE_SUFFIXES, is_image_file
from .on_disk import FaceFile, FacesOnDisk, Progress, open_files
from .splits import SPLITS, check_split


def open_folder(path: Path, split: str, *, skip_bad: bool = False, on_progress: Progress | None = None) -> FacesOnDisk:
    """Open folders of images, one folder a split and in it one folder an expression.

    The expressions are those that any split has a folder for, in canonical order, so that all splits of one data set
    number them alike. Hidden files are ignored.

    Args:
        path: Folder with ``train``, ``valid`` and ``test``; those that are not asked for may be absent.
        split: ``train``, ``valid`` or ``test``.
        skip_bad: Leave unusable files out instead of raising.
        on_progress: Called with the files done and their total.

    Raises:
        DatasetError: The split has no folder, a folder is no expression, or files are unusable.
    """
    if not (path / check_split(split)).is_dir():
        found = ", ".join(sorted(entry.name for entry in path.iterdir())) if path.is_dir() else "no such folder"
        raise DatasetError(
            f"{path} has no folder {split}",
            expected=f"{path / split / CANONICAL_LABELS[1]}/*.jpg and so on",
            found=found or "an empty folder",
            fix=f"name the folders of the splits {', '.join(SPLITS)}",
        )
    names = {name for other in SPLITS for name in _expression_folders(path / other)}
    labels = tuple(label for label in CANONICAL_LABELS if label in names)
    files: list[FaceFile] = []
    faults = [SkippedFile(str(entry), "lies outside the expressions' folders") for entry in _stray_files(path / split)]
    for label, folder in sorted(_expression_folders(path / split).items(), key=lambda item: labels.index(item[0])):
        for entry in sorted(folder.iterdir()):
            if entry.name.startswith("."):
                continue
            if entry.is_file() and is_image_file(entry):
                files.append(FaceFile(entry, labels.index(label), entry.relative_to(path / split).as_posix()))
            else:
                faults.append(SkippedFile(str(entry), f"is none of {', '.join(IMAGE_SUFFIXES)}"))
    return open_files(
        files,
        name="folder",
        split=split,
        labels=labels,
        options={},
        faults=faults,
        skip_bad=skip_bad,
        on_progress=on_progress,
    )


def _expression_folders(split_folder: Path) -> dict[str, Path]:
    if not split_folder.is_dir():
        return {}
    folders: dict[str, Path] = {}
    for folder in sorted(split_folder.iterdir()):
        if not folder.is_dir() or folder.name.startswith("."):
            continue
        label = _label_of(folder)
        if label in folders:
            raise DatasetError(
                f"two folders hold {label}",
                expected="one folder an expression",
                found=f"{folders[label]} and {folder}",
                fix="move their files into one",
            )
        folders[label] = folder
    return folders


def _label_of(folder: Path) -> str:
    try:
        return canonical_label(folder.name)
    except DatasetError as problem:
        raise DatasetError(
            f"the folder {folder} is no expression",
            expected=problem.expected,
            fix="rename the folder, or move it out of the split",
        ) from problem


def _stray_files(split_folder: Path) -> list[Path]:
    return sorted(entry for entry in split_folder.iterdir() if not entry.is_dir() and not entry.name.startswith("."))
