"""FER+: the pictures of FER2013 with the votes of ten annotators (Barsoum et al., ICMI 2016).

Two forms are read. The official one is a pair of lists, ``fer2013.csv`` (from the FER2013 challenge: pixels) and
``fer2013new.csv`` (from FER+: votes), whose rows correspond. The other is an array file a split, ``train.npz``,
``valid.npz`` and ``test.npz``, with ``images`` uint8 (N, 48, 48), ``votes`` uint8 (N, 10) and ``names``.

Majority voting: a face counts when the largest vote for one of the eight expressions exceeds the votes for "unknown"
and "not a face" together; that expression is its label (the first one in the order of FER+ where two are equal), and
the eight votes, divided by their sum, are its soft label.

FER2013's splits share pictures. Reading the official pair keeps the test split whole, and drops from validation and
training every picture that is byte for byte one of a split further down the list test, validation, training, or an
earlier one of its own. The array files are expected to be free of such pictures already.
"""

from __future__ import annotations

import csv
import hashlib
import logging
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..core.errors import DatasetError
from ..core.labels import FERPLUS_LABELS
from .faults import SkippedFile, settle
from .in_memory import InMemoryFaces
from .splits import check_split

_log = logging.getLogger(__name__)

PIXELS_FILE = "fer2013.csv"
VOTES_FILE = "fer2013new.csv"
SIDE_PX = 48

_USAGE_OF_SPLIT = {"train": "Training", "valid": "PublicTest", "test": "PrivateTest"}
_VOTE_COLUMNS = (*FERPLUS_LABELS, "unknown", "NF")
_VALUE_OF_TEXT = {str(value): value for value in range(256)}

Progress = Callable[[int, int], None]


def open_ferplus(
    path: Path, split: str, *, skip_bad: bool = False, on_progress: Progress | None = None
) -> InMemoryFaces:
    """Open FER+ under the majority-voting protocol.

    Args:
        path: Folder with the array files or with the official pair of lists.
        split: ``train``, ``valid`` or ``test``.
        skip_bad: Leave unusable entries out instead of raising.
        on_progress: Called with the entries done and their total.

    Raises:
        DatasetError: The folder holds neither form or both, or entries are unusable.
    """
    votes = _read_votes(path, check_split(split), on_progress)
    where = f"ferplus/{split}"
    skipped = settle(votes.faults, dataset=where, skip_bad=skip_bad)
    expressions = votes.counts[:, : len(FERPLUS_LABELS)]
    kept = has_majority(votes.counts)
    _log.info("%s: %d of %d faces have a majority", where, int(kept.sum()), len(kept))
    expressions = expressions[kept].astype(np.float32)
    return InMemoryFaces(
        name="ferplus",
        split=split,
        labels=FERPLUS_LABELS,
        images=votes.images[kept],
        label_indices=expressions.argmax(axis=1).astype(np.int64),
        sample_ids=[name for name, keep in zip(votes.names, kept, strict=True) if keep],
        soft_labels=expressions / expressions.sum(axis=1, keepdims=True),
        options={"votes": "majority"},
        skipped=skipped,
    )


def has_majority(counts: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Tell which faces one expression has a majority for.

    Args:
        counts: uint8 (N, 10), votes for the eight expressions, "unknown" and "not a face".

    Returns:
        bool (N,).
    """
    wide = counts.astype(np.int64)
    largest = wide[:, : len(FERPLUS_LABELS)].max(axis=1, initial=0)
    return np.asarray(wide[:, len(FERPLUS_LABELS) :].sum(axis=1) < largest, np.bool_)


@dataclass(frozen=True)
class _Votes:
    images: npt.NDArray[np.uint8]  # (N, 48, 48)
    counts: npt.NDArray[np.uint8]  # (N, 10)
    names: list[str]
    faults: list[SkippedFile]


def _read_votes(path: Path, split: str, on_progress: Progress | None) -> _Votes:
    arrays = path / f"{split}.npz"
    lists = [path / PIXELS_FILE, path / VOTES_FILE]
    present = [file.name for file in (arrays, *lists) if file.is_file()]
    if present == [arrays.name]:
        return _read_arrays(arrays, on_progress)
    if present == [file.name for file in lists]:
        return _read_lists(path, split, on_progress)
    raise DatasetError(
        f"{path} is not FER+",
        expected=f"a folder with either {arrays.name} or both {PIXELS_FILE} and {VOTES_FILE}",
        found=", ".join(present) or ("none of them" if path.is_dir() else "no such folder"),
        fix=f"{PIXELS_FILE} comes with the FER2013 challenge, {VOTES_FILE} with Microsoft's FERPlus; put both there",
    )


def _read_arrays(file: Path, on_progress: Progress | None) -> _Votes:
    try:
        with file.open("rb") as stream:  # np.load leaks a damaged file that it opened itself
            archive = np.load(stream, allow_pickle=False)
            images, counts, names = (archive[key] for key in ("images", "votes", "names"))
    except (KeyError, IndexError, ValueError, EOFError, OSError, zipfile.BadZipFile, zlib.error) as problem:
        raise DatasetError(
            f"{file} cannot be read",
            expected="an .npz file with images, votes and names",
            found=f"{type(problem).__name__}: {problem}",
            fix="copy or make the file again",
        ) from problem
    _check_array_file(file, images, counts, names)
    kept, faults = _without_repeated_names(names.tolist(), file)
    if on_progress is not None:
        on_progress(len(images), len(images))
    if faults:
        images, counts, names = images[kept], counts[kept], names[kept]
    return _Votes(images, counts, names.tolist(), faults)


def _check_array_file(
    file: Path, images: npt.NDArray[np.uint8], counts: npt.NDArray[np.uint8], names: npt.NDArray[np.str_]
) -> None:
    count = len(names) if names.ndim else 0
    shapes_fit = images.shape == (count, SIDE_PX, SIDE_PX) and counts.shape == (count, len(_VOTE_COLUMNS))
    types_fit = images.dtype == np.uint8 and counts.dtype == np.uint8 and names.dtype.kind == "U"
    if not (shapes_fit and types_fit and names.ndim == 1):
        raise DatasetError(
            f"{file} has unusable arrays",
            expected=f"images uint8 (N, {SIDE_PX}, {SIDE_PX}), votes uint8 (N, {len(_VOTE_COLUMNS)}), names text (N,)",
            found=", ".join(f"{array.dtype} {array.shape}" for array in (images, counts, names)),
        )


def _without_repeated_names(names: list[str], file: Path) -> tuple[list[int], list[SkippedFile]]:
    seen: set[str] = set()
    kept, faults = [], []
    for position, name in enumerate(names):
        if name in seen:
            faults.append(SkippedFile(f"{file}[{position}]", f"the name {name} occurs twice"))
        else:
            seen.add(name)
            kept.append(position)
    return kept, faults


@dataclass(frozen=True)
class _Row:
    line: int
    usage: str
    name: str
    pixels: str  # empty in rows of other splits: all of FER2013's would fill 300 MB
    picture: bytes  # hash of the pixels
    counts: tuple[str, ...]


def _read_lists(path: Path, split: str, on_progress: Progress | None) -> _Votes:
    # FER+ leaves the name empty where a picture shows no face.
    rows = [row for row in _matched_rows(path, split) if row.name]
    chosen = _without_repeats(rows, split)
    wanted = len(chosen)
    images, counts, names, faults = [], [], [], []
    seen: set[str] = set()
    for done, row in enumerate(chosen, start=1):
        try:
            if row.name in seen:
                raise ValueError(f"the name {row.name} occurs twice")
            image, votes = _parse_pixels(row.pixels), _parse_counts(row.counts)
        except ValueError as problem:
            faults.append(SkippedFile(f"{path / VOTES_FILE}, line {row.line}", str(problem)))
        else:
            seen.add(row.name)
            images.append(image)
            counts.append(votes)
            names.append(row.name)
        if on_progress is not None and (done % 1000 == 0 or done == wanted):
            on_progress(done, wanted)
    flat = np.frombuffer(b"".join(images), np.uint8).reshape(-1, SIDE_PX, SIDE_PX)
    return _Votes(flat, np.array(counts, np.uint8).reshape(-1, len(_VOTE_COLUMNS)), names, faults)


def _matched_rows(path: Path, split: str) -> Iterator[_Row]:
    pixel_rows = _read_csv(path / PIXELS_FILE, ("pixels", "Usage"))
    vote_rows = _read_csv(path / VOTES_FILE, ("Usage", "Image name", *_VOTE_COLUMNS))
    for line, (pixels, votes) in enumerate(zip_longest(pixel_rows, vote_rows), start=2):
        if pixels is None or votes is None or not (pixels["Usage"] == votes["Usage"] in _USAGE_OF_SPLIT.values()):
            raise DatasetError(
                f"{PIXELS_FILE} and {VOTES_FILE} in {path} do not belong together",
                expected=f"as many rows in both, with the same Usage of {', '.join(_USAGE_OF_SPLIT.values())}",
                found=f"a difference at line {line}",
                fix="take both files unchanged from their publishers",
            )
        usage, text = votes["Usage"], pixels["pixels"]
        yield _Row(
            line=line,
            usage=usage,
            name=votes["Image name"].strip(),
            pixels=text if usage == _USAGE_OF_SPLIT[split] else "",
            picture=hashlib.sha256(text.encode()).digest(),
            counts=tuple(votes[column] for column in _VOTE_COLUMNS),
        )


def _read_csv(file: Path, columns: tuple[str, ...]) -> Iterator[dict[str, str]]:
    with file.open(encoding="utf-8-sig", newline="") as stream:
        try:
            reader = csv.DictReader(stream, skipinitialspace=True, restval="")
            header = [name.strip() for name in reader.fieldnames or ()]
            if not set(columns) <= set(header):
                raise DatasetError(f"{file} has other columns", expected=", ".join(columns), found=", ".join(header))
            reader.fieldnames = header
            yield from reader
        except (UnicodeDecodeError, csv.Error) as problem:
            raise DatasetError(f"{file} cannot be read", found=str(problem), fix="copy it again") from problem


def _without_repeats(rows: list[_Row], split: str) -> list[_Row]:
    seen: set[bytes] = set()
    for earlier in ("test", "valid", "train"):
        chosen = [row for row in rows if row.usage == _USAGE_OF_SPLIT[earlier]]
        if earlier != "test":
            first = {row.picture: row for row in reversed(chosen) if row.picture not in seen}
            fresh = [row for row in chosen if first.get(row.picture) is row]
            if earlier == split and len(fresh) < len(chosen):
                _log.info("ferplus/%s: dropped %d pictures that occur elsewhere", split, len(chosen) - len(fresh))
            chosen = fresh
        if earlier == split:
            return chosen
        seen.update(row.picture for row in chosen)
    return []


def _parse_pixels(text: str) -> bytes:
    values = text.split()
    if len(values) != SIDE_PX * SIDE_PX:
        raise ValueError(f"{len(values)} pixels instead of {SIDE_PX * SIDE_PX}")
    try:
        return bytes(map(_VALUE_OF_TEXT.__getitem__, values))
    except KeyError as problem:
        raise ValueError(f"pixel value {problem.args[0]!r} is not a number from 0 to 255") from problem


def _parse_counts(texts: tuple[str, ...]) -> tuple[int, ...]:
    try:
        return tuple(_VALUE_OF_TEXT[text.strip()] for text in texts)
    except KeyError as problem:
        raise ValueError(f"vote count {problem.args[0]!r} is not a number from 0 to 255") from problem
