"""A data set whose pixels are image files."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..core.crop import crop_faces
from ..core.errors import DatasetError, InputSpecError
from .faults import SkippedFile, settle
from .identity import content_digest, dataset_id
from .image_files import decode_rgb
from .sample import FaceSample

KEPT_BYTES = 256 << 20
"""Encoded files are kept in memory up to this many bytes in all; beyond it, only their paths are."""

_PROGRESS_EVERY = 100
_IN_FLIGHT = 1024

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class FaceFile:
    """One labelled image file.

    Attributes:
        path: The file.
        label: Index into the data set's labels.
        sample_id: Name inside the data set.
        box: x0, y0, x1, y1 of the face in pixels; None where the whole image is the face.
        attributes: What else is known about the face.
    """

    path: Path
    label: int
    sample_id: str
    box: tuple[float, float, float, float] | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)

    def decode(self, data: bytes, margin: float) -> npt.NDArray[np.uint8]:
        """Return the face, uint8 (height, width, 3) in RGB order.

        Args:
            data: Content of the file.
            margin: Widens the box, as a fraction of its longer side.

        Raises:
            ValueError: The file or the box is unusable.
        """
        image = decode_rgb(data)
        if self.box is None:
            return image
        try:
            return crop_faces(image, np.array([self.box], np.float32), margin)[0]
        except InputSpecError as problem:
            raise ValueError(str(problem)) from problem


class FacesOnDisk:
    """Faces in image files; implements :class:`fsrfer.datasets.FaceDataset`. Made by :func:`open_files`."""

    def __init__(
        self,
        *,
        name: str,
        split: str,
        labels: tuple[str, ...],
        files: Sequence[FaceFile],
        contents: Sequence[bytes] | None,
        identity: str,
        margin: float,
        skipped: tuple[SkippedFile, ...],
    ) -> None:
        self._name = name
        self._split = split
        self._labels = labels
        self._files = tuple(files)
        self._contents = contents
        self._dataset_id = identity
        self._margin = margin
        self._skipped = skipped
        self._label_indices = _labels_of(files)
        self._label_indices.setflags(write=False)

    @property
    def name(self) -> str:
        """Short name of the data set."""
        return self._name

    @property
    def split(self) -> str:
        """``train``, ``valid`` or ``test``."""
        return self._split

    @property
    def dataset_id(self) -> str:
        """Identity of the content."""
        return self._dataset_id

    @property
    def labels(self) -> tuple[str, ...]:
        """Canonical expression names."""
        return self._labels

    @property
    def label_indices(self) -> npt.NDArray[np.int64]:
        """All labels, int64 (N,), read-only."""
        return self._label_indices

    @property
    def soft_labels(self) -> None:
        """None: files carry one label each."""
        return

    @property
    def skipped(self) -> tuple[SkippedFile, ...]:
        """Files that were left out because they are unusable."""
        return self._skipped

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> FaceSample:
        file = self._files[index]
        try:
            data = file.path.read_bytes() if self._contents is None else self._contents[index]
            image = file.decode(data, self._margin)
        except (OSError, ValueError) as problem:
            raise DatasetError(
                f"{file.path} changed after the data set was opened",
                expected="the file as it was",
                found=str(problem),
                fix="restore the file and start again",
            ) from problem
        return FaceSample(image, file.label, None, file.sample_id, file.attributes)


def open_files(
    files: Sequence[FaceFile],
    *,
    name: str,
    split: str,
    labels: tuple[str, ...],
    options: Mapping[str, object],
    faults: Sequence[SkippedFile] = (),
    margin: float = 0.0,
    skip_bad: bool = False,
    on_progress: Progress | None = None,
    kept_bytes: int = KEPT_BYTES,
) -> FacesOnDisk:
    """Read and decode every file once, so that nothing can fail in the middle of an epoch.

    Args:
        files: The faces, in the order of the data set.
        name: Short name of the data set.
        split: ``train``, ``valid`` or ``test``.
        labels: Expression names that the files' labels index.
        options: What else the identity says.
        faults: What the reader has found already.
        margin: Widens the files' boxes, as a fraction of their longer sides.
        skip_bad: Leave unusable files out instead of raising.
        on_progress: Called with the files done and their total.
        kept_bytes: Keep encoded files in memory up to this many bytes in all.

    Raises:
        DatasetError: Files are unusable, or none is left.
    """
    found = list(faults)
    usable: list[FaceFile] = []
    digests: list[bytes] = []
    contents: list[bytes] | None = []
    room = kept_bytes
    for done, (file, outcome) in enumerate(_checked(files, margin), start=1):
        if isinstance(outcome, str):
            found.append(SkippedFile(str(file.path), outcome))
        else:
            usable.append(file)
            digests.append(hashlib.sha256(outcome).digest() + repr(file.box).encode())
            room -= len(outcome)
            if room < 0:
                contents = None
            if contents is not None:
                contents.append(outcome)
        if on_progress is not None and (done % _PROGRESS_EVERY == 0 or done == len(files)):
            on_progress(done, len(files))
    skipped = settle(found, dataset=f"{name}/{split}", skip_bad=skip_bad)
    if not usable:
        raise DatasetError(f"{name}/{split} has no usable face", expected="at least one image file")
    digest = content_digest(labels, _labels_of(usable), [file.sample_id for file in usable], None, digests)
    return FacesOnDisk(
        name=name,
        split=split,
        labels=labels,
        files=usable,
        contents=contents,
        identity=dataset_id(name, split, options, len(usable), digest),
        margin=margin,
        skipped=skipped,
    )


def _labels_of(files: Sequence[FaceFile]) -> npt.NDArray[np.int64]:
    return np.array([file.label for file in files], np.int64)


def _checked(files: Sequence[FaceFile], margin: float) -> Iterator[tuple[FaceFile, bytes | str]]:
    def check(file: FaceFile) -> bytes | str:
        try:
            data = file.path.read_bytes()
            file.decode(data, margin)
        except FileNotFoundError:
            return "is missing"
        except OSError as problem:
            return f"cannot be read: {problem.strerror}"
        except ValueError as problem:
            return str(problem)
        return data

    # OpenCV decodes without the interpreter's lock. Chunks bound how much is read ahead of the consumer.
    remaining = iter(files)
    with ThreadPoolExecutor(min(os.cpu_count() or 1, 8)) as pool:
        while chunk := list(islice(remaining, _IN_FLIGHT)):
            yield from zip(chunk, pool.map(check, chunk), strict=True)
