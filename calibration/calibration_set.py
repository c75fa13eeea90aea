"""Faces that stand for what a model will meet: balanced over expressions and over face sizes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..core.bundle import GraphSpec
from ..core.errors import CalibrationError
from ..core.files import sha256_of_bytes
from ..core.preprocess import PreprocessSpec, preprocess
from ..core.resample import bicubic_resize
from ..datasets.leakage import pixel_hash
from ..datasets.sample import FaceDataset

Uint8Array = npt.NDArray[np.uint8]
Float32Array = npt.NDArray[np.float32]
Draw = tuple[int, int]
"""Index of a face in its data set, and the size in pixels to bring it to."""


@dataclass(frozen=True)
class CalibrationManifest:
    """What a calibration set was made from; part of ``bundle.json``.

    Attributes:
        dataset_id: Identity of the data set.
        seed: Key of the draw.
        samples: Number of faces.
        by_label: Number of faces of each expression.
        by_size: Number of faces of each native size in pixels.
        left_out: Faces that were drawn and left out because the test split has them, too; None where that was not
            looked into.
        sha256: Hash of the preprocessed faces and their sizes.
    """

    dataset_id: str
    seed: int
    samples: int
    by_label: dict[str, int]
    by_size: dict[str, int]
    sha256: str
    left_out: int | None = None


@dataclass(frozen=True)
class CalibrationSet:
    """Preprocessed faces, in memory.

    Attributes:
        faces: uint8 (N, channels, height, width).
        face_size_px: float32 (N,), native size of each face.
        manifest: Where they come from.
    """

    faces: Uint8Array
    face_size_px: Float32Array
    manifest: CalibrationManifest

    @classmethod
    def draw(
        cls,
        dataset: FaceDataset,
        spec: PreprocessSpec,
        *,
        samples: int,
        sizes: Sequence[int],
        seed: int,
        test_faces: Collection[bytes] | None = None,
    ) -> CalibrationSet:
        """Draw a set from all faces of a data set.

        Args:
            dataset: Labelled faces; what a model is calibrated on must not be what it is judged on.
            spec: Preprocessing of the model.
            samples: Number of faces.
            sizes: Native face sizes in pixels, in equal shares. A face that is smaller than its share stays as it is.
            seed: Key of the draw; the same key draws the same faces.
            test_faces: Hashes of the faces that the model is judged on (:func:`fsrfer.datasets.pixel_hashes`); they are
                left out. None where that is not to be looked into.

        Raises:
            CalibrationError: The data set is empty, or a number is impossible.
        """
        _check(dataset, samples, sizes)
        pools = _shuffled_pools(dataset.label_indices, np.random.default_rng(seed))
        return _load(dataset, spec, _balanced_draws(pools, samples, sizes), seed, test_faces)

    @classmethod
    def draw_with_held_out(
        cls,
        dataset: FaceDataset,
        spec: PreprocessSpec,
        *,
        samples: int,
        held_out: int,
        sizes: Sequence[int],
        seed: int,
        test_faces: Collection[bytes] | None = None,
    ) -> tuple[CalibrationSet, CalibrationSet]:
        """Draw a set to calibrate on and one of other faces to check the result on; see :meth:`draw`.

        Raises:
            CalibrationError: The data set has no two faces of any expression, or a number is impossible.
        """
        _check(dataset, samples, sizes)
        share = held_out / (samples + held_out)
        pools = _shuffled_pools(dataset.label_indices, np.random.default_rng(seed))
        # Both parts get a face of every expression that has two.
        cuts = [min(max(1, round(share * len(pool))), len(pool) - 1) for pool in pools]
        checked = [pool[:cut] for pool, cut in zip(pools, cuts, strict=True) if cut]
        if not checked or held_out < 1:
            raise CalibrationError(
                f"{dataset.dataset_id} has no faces to check the calibration on",
                expected="two or more faces of an expression, and one or more to hold out",
                found=f"{len(dataset)} faces, {held_out} to hold out",
            )
        calibrated = [pool[cut:] for pool, cut in zip(pools, cuts, strict=True)]
        return (
            _load(dataset, spec, _balanced_draws(calibrated, samples, sizes), seed, test_faces),
            _load(dataset, spec, _balanced_draws(checked, held_out, sizes), seed, test_faces),
        )

    def feeds(self, graph: GraphSpec, batch_size: int = 16) -> Iterator[dict[str, npt.NDArray[np.generic]]]:
        """Yield the set in batches, by the names of a graph's inputs."""
        for start in range(0, len(self.faces), batch_size):
            part = slice(start, start + batch_size)
            feed: dict[str, npt.NDArray[np.generic]] = {graph.faces_input: self.faces[part]}
            if graph.face_size_input is not None:
                feed[graph.face_size_input] = self.face_size_px[part]
            yield feed

    def __len__(self) -> int:
        return len(self.faces)


def _check(dataset: FaceDataset, samples: int, sizes: Sequence[int]) -> None:
    if len(dataset) == 0:
        raise CalibrationError(
            f"{dataset.dataset_id} has no faces", fix="calibrate on the split that the model was trained on"
        )
    if samples < 1 or not sizes or min(sizes) < 1:
        raise CalibrationError(
            "impossible calibration set", expected="one or more samples and sizes", found=f"{samples}, {sizes}"
        )


def _shuffled_pools(label_indices: npt.NDArray[np.int64], rng: np.random.Generator) -> list[npt.NDArray[np.int64]]:
    return [rng.permutation(np.flatnonzero(label_indices == label)) for label in np.unique(label_indices)]


def _balanced_draws(pools: Sequence[npt.NDArray[np.int64]], samples: int, sizes: Sequence[int]) -> list[Draw]:
    draws = []
    for position in range(samples):
        turn, which = divmod(position, len(pools))
        pool = pools[which]
        # A rare expression runs out of faces; its faces then come again, each time at another size.
        repeats, index = divmod(turn, len(pool))
        draws.append((int(pool[index]), sizes[(turn + repeats + which) % len(sizes)]))
    return draws


def _load(
    dataset: FaceDataset,
    spec: PreprocessSpec,
    draws: Sequence[Draw],
    seed: int,
    test_faces: Collection[bytes] | None,
) -> CalibrationSet:
    drawn = [(dataset[index], size) for index, size in draws]
    kept = [(sample, size) for sample, size in drawn if not test_faces or pixel_hash(sample.image) not in test_faces]
    if not kept:
        raise CalibrationError(
            f"all faces drawn from {dataset.dataset_id} are test faces",
            expected="faces that the model is not judged on",
            fix="calibrate on the split that the model was trained on",
        )
    faces, face_size_px = preprocess([_shrunk(sample.image, size) for sample, size in kept], spec)
    labels = Counter(dataset.labels[sample.label] for sample, _ in kept)
    sizes = Counter(round(float(size)) for size in face_size_px)
    manifest = CalibrationManifest(
        dataset_id=dataset.dataset_id,
        seed=seed,
        samples=len(kept),
        by_label={label: labels[label] for label in dataset.labels},
        by_size={str(size): sizes[size] for size in sorted(sizes, reverse=True)},
        sha256=sha256_of_bytes(faces.tobytes() + face_size_px.tobytes()),
        left_out=None if test_faces is None else len(drawn) - len(kept),
    )
    return CalibrationSet(faces, face_size_px, manifest)


def _shrunk(image: Uint8Array, size: int) -> Uint8Array:
    # Enlarging a face that is small already would pass its blur off as a large face.
    return image if min(image.shape[:2]) <= size else bicubic_resize(image, size)
