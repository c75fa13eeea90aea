"""Training batches: pairs of full-size and small faces.

A batch is a function of the seed and its position alone. Whatever prepares it, in whatever order, after whatever
interruption, it is the same batch; that makes resuming exact.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from ..core.preprocess import ColorMode, PreprocessSpec, preprocess
from ..core.resample import bicubic_resize
from ..datasets import FaceDataset
from ..datasets.realistic import DegradationDraw, degraded_face
from .augmentation import FaceChange, changed_face
from .batch_rows import BatchRows
from .face_variation import AugmentationConfig, DegradationConfig, FaceSizes
from .mixing import Mixing, blended

Uint8Array = npt.NDArray[np.uint8]
T = TypeVar("T")

_MAX_CACHE_BYTES = 1 << 30
_PREFETCHED = 3


@dataclass(frozen=True)
class PairBatch:
    """Faces at full size and small, with their labels.

    Attributes:
        full: uint8 (N, C, H, W), as a full-size face is served.
        small: uint8 (N, C, H, W): the same faces shrunk to ``face_size_px``, some of them spoilt as cameras do, and
            brought back to the input's size.
        face_size_px: float32 (N,).
        labels: int64 (N,).
        targets: float32 (N, K): the annotators' distribution, or the label as one.
    """

    full: Uint8Array
    small: Uint8Array
    face_size_px: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]
    targets: npt.NDArray[np.float32]


class TrainingFaces:
    """The faces of a data set, ready for random access.

    Faces are kept decoded in memory where they all fit into one gigabyte. Larger ones than twice the input are
    reduced to that on the way in.

    Args:
        dataset: Labelled faces.
        spec: The model's preprocessing.
        soft_labels: Learn the annotators' distribution where the data set has one.
    """

    def __init__(self, dataset: FaceDataset, spec: PreprocessSpec, *, soft_labels: bool) -> None:
        self._dataset = dataset
        self._spec = spec
        self.labels = dataset.label_indices
        hard = np.eye(len(dataset.labels), dtype=np.float32)[self.labels]
        self.targets = hard if dataset.soft_labels is None or not soft_labels else dataset.soft_labels
        largest = 4 * spec.height * spec.width * spec.channels
        self._cache: list[Uint8Array] | None = None
        if len(dataset) * largest <= _MAX_CACHE_BYTES:
            self._cache = [self._read(index) for index in range(len(dataset))]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Uint8Array:
        return self._cache[index] if self._cache is not None else self._read(index)

    def _read(self, index: int) -> Uint8Array:
        face = self._dataset[index].image
        if self._spec.color is ColorMode.GRAY and face.ndim == 3:
            face = np.asarray(cv2.cvtColor(face, cv2.COLOR_RGB2GRAY), np.uint8)
        elif self._spec.color is ColorMode.RGB and face.ndim == 2:
            face = np.asarray(cv2.cvtColor(face, cv2.COLOR_GRAY2RGB), np.uint8)
        limit = 2 * max(self._spec.height, self._spec.width)
        factor = limit / max(face.shape[:2])
        if factor < 1.0:
            shape = (max(1, round(face.shape[1] * factor)), max(1, round(face.shape[0] * factor)))
            face = np.asarray(cv2.resize(face, shape, interpolation=cv2.INTER_AREA), np.uint8)
        return face


@dataclass(frozen=True)
class BatchPlan:
    """Which batches a stage of training sees.

    Attributes:
        faces: Where they come from.
        spec: The model's preprocessing.
        augmentation: Random changes.
        sizes: Native sizes of the small faces.
        batch_size: Faces in a batch; fewer only where the data set is smaller.
        key: Seed of the run and number of the stage.
        degradation: How small faces are spoilt besides being small.
    """

    faces: TrainingFaces
    spec: PreprocessSpec
    augmentation: AugmentationConfig
    sizes: FaceSizes
    batch_size: int
    key: tuple[int, int]
    degradation: DegradationConfig = field(default_factory=DegradationConfig)

    @property
    def steps_per_epoch(self) -> int:
        """Batches in an epoch; the faces that are left over are others in each epoch."""
        return max(1, len(self.faces) // self.batch_size)

    @property
    def faces_per_step(self) -> int:
        """Faces in each batch."""
        return min(self.batch_size, len(self.faces))

    def batch(self, step: int, rows: BatchRows | None = None) -> PairBatch:
        """Return the batch of a step.

        Everything random is drawn for the whole batch, which takes a tenth of the time, and only the faces that are
        asked for are made: the rows of a batch are the same whoever asks for them, and for however many at once.

        Args:
            step: Its number, from 0 over all epochs.
            rows: Which faces of the batch; None for all.
        """
        epoch, position = divmod(step, self.steps_per_epoch)
        order = np.random.default_rng([*self.key, 0, epoch]).permutation(len(self.faces))
        chosen = order[position * self.batch_size : (position + 1) * self.batch_size]
        count, side = len(chosen), self.spec.height
        wanted = np.arange(count) if rows is None else np.arange(count)[rows.slice]
        rng = np.random.default_rng([*self.key, 1, step])
        changes = [FaceChange.drawn(rng) for _ in chosen]
        sizes = draw_sizes(count, side, self.sizes, rng)
        mixing = Mixing.drawn(count, self.augmentation.mix, rng) if self.augmentation.mix else None

        def at_full_size(indices: npt.NDArray[np.int64]) -> Uint8Array:
            pictures = (self.faces[int(chosen[i])] for i in indices)
            made = zip(pictures, indices, strict=True)
            return np.stack([changed_face(face, side, self.augmentation, changes[i]) for face, i in made])

        full, targets = at_full_size(wanted), self.faces.targets[chosen[wanted]]
        if mixing is not None:
            others = mixing.others[wanted]
            partners = at_full_size(others), self.faces.targets[chosen[others]]
            full, targets = blended((full, targets), partners, mixing.own[wanted])
        small = small_faces(full, sizes[wanted], self.spec)
        self._spoil(small, full, wanted, sizes, rng)
        return PairBatch(
            full=_to_nchw(full),
            small=small,
            face_size_px=sizes[wanted].astype(np.float32),
            labels=self.faces.labels[chosen[wanted]],
            targets=targets,
        )

    def _spoil(
        self,
        small: Uint8Array,
        full: Uint8Array,
        wanted: npt.NDArray[np.int64],
        sizes: npt.NDArray[np.int64],
        rng: np.random.Generator,
    ) -> None:
        """Replace some small faces by what a camera would deliver; ``small`` and ``full`` hold the wanted rows only."""
        place = {row: position for position, row in enumerate(wanted.tolist())}
        spoilt, degraded = [], []
        for row in np.flatnonzero(rng.random(len(sizes)) < self.degradation.fraction).tolist():
            size = int(sizes[row])
            draw = DegradationDraw.drawn((size, size, *full.shape[3:]), rng)
            if row in place:
                spoilt.append(place[row])
                degraded.append(degraded_face(full[place[row]], size, self.degradation.ranges, draw))
        if spoilt:
            small[spoilt], _ = preprocess(degraded, self.spec)


def draw_sizes(count: int, full: int, sizes: FaceSizes, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Draw native face sizes, int64 (count,), in pixels."""
    position = rng.random(count)
    if sizes.choices:
        drawn = np.array(sizes.choices, np.int64)[(position * len(sizes.choices)).astype(np.int64)]
    else:
        drawn = np.rint(sizes.smallest * (full / sizes.smallest) ** position).astype(np.int64)
    return np.where(rng.random(count) < sizes.full_fraction, full, drawn)


def small_faces(full: Uint8Array, sizes: npt.NDArray[np.int64], spec: PreprocessSpec) -> Uint8Array:
    """Shrink faces and bring them back to the input's size, through the very preprocessing of serving.

    Args:
        full: uint8 (N, H, W) or (N, H, W, 3).
        sizes: int64 (N,), side of each small face in pixels.
        spec: The model's preprocessing.

    Returns:
        uint8 (N, C, H, W).
    """
    result = np.empty((len(full), spec.channels, spec.height, spec.width), np.uint8)
    pixels = full if full.ndim == 4 else full[..., None]
    for size in np.unique(sizes):
        members = np.flatnonzero(sizes == size)
        group = pixels[members]
        shrunk = group if size == spec.height else bicubic_resize(group, int(size))
        result[members], _ = preprocess(list(shrunk if full.ndim == 4 else shrunk[..., 0]), spec)
    return result


def prefetched(make: Callable[[int], T], start: int, stop: int) -> Generator[T, None, None]:
    """Yield ``make(start)`` to ``make(stop - 1)``, prepared by a thread a few steps ahead.

    The thread ends with the generator; close it when leaving early. An exception of ``make`` is raised where its
    result would have come.
    """
    ready: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(maxsize=_PREFETCHED)
    abandoned = threading.Event()

    def hand_over(item: tuple[T | None, BaseException | None]) -> bool:
        while not abandoned.is_set():
            try:
                ready.put(item, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def prepare() -> None:
        for step in range(start, stop):
            try:
                item: tuple[T | None, BaseException | None] = (make(step), None)
            except BaseException as problem:  # noqa: BLE001 - it is raised again, by the consumer
                item = (None, problem)
            if not hand_over(item) or item[1] is not None:
                return

    thread = threading.Thread(target=prepare, name="training-batches", daemon=True)
    thread.start()
    try:
        for _ in range(start, stop):
            value, problem = ready.get()
            if problem is not None:
                raise problem
            yield value  # type: ignore[misc] # None only beside a problem
    finally:
        abandoned.set()
        thread.join()


def _to_nchw(faces: Uint8Array) -> Uint8Array:
    return np.ascontiguousarray(faces[:, None] if faces.ndim == 3 else faces.transpose(0, 3, 1, 2))
