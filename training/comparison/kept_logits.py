"""What methods answered, kept on disk: an interrupted comparison goes on, and a finished one takes further methods."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ...core.files import write_bytes
from ...core.preprocess import PreprocessSpec
from ...datasets import FaceDataset
from ...datasets.evaluation import Classify, EvaluationReport, SizeReport, evaluate_by_size
from ...datasets.tracks import Track, sized_batches

Float32Array = npt.NDArray[np.float32]

PROBE_FACES = 64
"""How many faces a method is asked about again before its kept answers are believed."""

MOST_DIFFERENCE = 1e-3
"""Greatest difference of logits that rounding explains: another number of threads, another processor."""


class KeptLogits:
    """A folder with the logits of methods, ``METHOD/SPLIT-TRACK-SIZEpx.npz``.

    Each file has ``logits``, float32 (N, K), before any temperature and in the order of the data set, ``native_px``,
    float32 (N,), how many faces were ``smaller``, and the data set and protocol that they belong to. They are believed
    where the method still answers the same about the first faces; other weights, or another way of preparing faces,
    are noticed by that, and everything is asked again.

    Args:
        folder: Made when it is needed.

    Attributes:
        evaluations: How many reports were asked for.
        reused: How many of them were there already.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.evaluations = 0
        self.reused = 0

    def evaluate(
        self,
        method: str,
        classify: Classify,
        dataset: FaceDataset,
        spec: PreprocessSpec,
        size: int,
        track: Track,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> EvaluationReport:
        """Return what :func:`~fsrfer.datasets.evaluate_by_size` returns, from disk where that is there.

        Args:
            method: Key of the method.
            classify: The method.
            dataset: Faces with the labels of the method.
            spec: Preprocessing.
            size: Native face size in pixels.
            track: How small faces are made.
            on_progress: Called with the faces done and their total.

        Raises:
            InputSpecError: Size or logits are impossible.
            DatasetError: A file of the data set changed after it was opened.
            OSError: The folder cannot be written to.
        """
        path = self._folder / method / f"{dataset.split}-{track.value}-{size}px.npz"
        self.evaluations += 1
        kept = _Answers.read(path)
        if kept is not None and kept.hold_for(classify, dataset, spec, size, track):
            self.reused += 1
            if on_progress is not None:
                on_progress(len(dataset), len(dataset))
            return kept.report(dataset, size, track)
        report = evaluate_by_size(classify, dataset, spec, [size], track=track, on_progress=on_progress)
        row = report.at(size)
        _Answers(row.logits, row.native_px, row.smaller_count, dataset.dataset_id, track.protocol).write(path)
        return report


@dataclass(frozen=True)
class _Answers:
    logits: Float32Array
    native_px: Float32Array
    smaller: int
    dataset_id: str
    protocol: str

    @classmethod
    def read(cls, path: Path) -> _Answers | None:
        """Return what a file holds; None where there is none, or a damaged one, which can be made again."""
        try:
            with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as archive:
                return cls(
                    logits=archive["logits"],
                    native_px=archive["native_px"],
                    smaller=int(archive["smaller"]),
                    dataset_id=str(archive["dataset_id"]),
                    protocol=str(archive["protocol"]),
                )
        except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
            return None

    def write(self, path: Path) -> None:
        buffer = io.BytesIO()
        np.savez(
            buffer,
            logits=self.logits,
            native_px=self.native_px,
            smaller=self.smaller,
            dataset_id=self.dataset_id,
            protocol=self.protocol,
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, buffer.getvalue())

    def hold_for(self, classify: Classify, dataset: FaceDataset, spec: PreprocessSpec, size: int, track: Track) -> bool:
        if self.dataset_id != dataset.dataset_id or self.protocol != track.protocol:
            return False
        if self.logits.shape != (len(dataset), len(dataset.labels)) or self.native_px.shape != (len(dataset),):
            return False
        first = next(iter(sized_batches(dataset, spec, [size], track, PROBE_FACES)))
        answers = classify(first.faces, first.native_px)
        return bool(np.allclose(answers, self.logits[: len(answers)], rtol=0.0, atol=MOST_DIFFERENCE))

    def report(self, dataset: FaceDataset, size: int, track: Track) -> EvaluationReport:
        row = SizeReport.of(size, self.logits, self.native_px, dataset.label_indices, smaller_count=self.smaller)
        return EvaluationReport(dataset.dataset_id, dataset.labels, (row,), track)
