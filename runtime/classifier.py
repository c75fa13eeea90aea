"""From face crops to calibrated expression probabilities."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from types import TracebackType

import numpy as np
import numpy.typing as npt

from ..core.bundle import BundleManifest
from ..core.errors import BundleError, InputSpecError
from ..core.predictions import ExpressionPredictions, softmax
from ..core.preprocess import preprocess
from ..core.temperature import temperatures_for
from .readings import Readings
from .remote import InferenceLostError, LossReason, RemoteRunner
from .runner import Array, Runner


class ExpressionClassifier:
    """Classifies face crops: preprocessing, the fused graph, temperature, abstention.

    Args:
        runner: Executes the bundle's fused graph; entered and left with the classifier.
        manifest: The bundle's description of that graph.
        max_batch: Most faces in one run of the graph; more are split.
        abstain_below: Confidence below which a prediction is marked as abstained; 0 never abstains.
        self_test: Run when the classifier is entered, before it serves anybody; raises where its answers are wrong.
        model_sha256: Hash of the graph or engine that the runner executes; None where nobody knows.

    Raises:
        BundleError: The graph's tensors are not those that the bundle names.
    """

    def __init__(
        self,
        runner: Runner,
        manifest: BundleManifest,
        *,
        max_batch: int = 64,
        abstain_below: float = 0.0,
        self_test: Callable[[ExpressionClassifier], None] | None = None,
        model_sha256: str | None = None,
    ) -> None:
        if max_batch < 1 or not 0.0 <= abstain_below <= 1.0:
            raise InputSpecError(
                "impossible classifier options",
                expected="max_batch of 1 or more, abstain_below from 0 to 1",
                found=f"{max_batch}, {abstain_below}",
            )
        _check_tensors(runner, manifest)
        self._runner = runner
        self._manifest = manifest
        self._max_batch = max_batch
        self._abstain_below = abstain_below
        self._self_test = self_test
        self._model_sha256 = model_sha256

    @property
    def labels(self) -> tuple[str, ...]:
        """Expression names in the order of the probabilities."""
        return self._manifest.labels

    @property
    def manifest(self) -> BundleManifest:
        """Description of the model."""
        return self._manifest

    @property
    def max_batch(self) -> int:
        """Most faces in one run of the graph."""
        return self._max_batch

    @property
    def model_sha256(self) -> str | None:
        """Hash of the graph or engine that runs; None where nobody knows."""
        return self._model_sha256

    @property
    def abstain_below(self) -> float:
        """Confidence below which a prediction is marked as abstained."""
        return self._abstain_below

    def classify(self, faces: Sequence[npt.NDArray[np.uint8]]) -> ExpressionPredictions:
        """Classify face crops of any sizes.

        Args:
            faces: N crops, uint8, each (height, width, 3) RGB or (height, width) grey. N may be 0.

        Raises:
            InputSpecError: A crop cannot be preprocessed.
            InferenceLostError: The model runs on another machine, and that was away for too long.
        """
        batch, sizes = preprocess(faces, self._manifest.preprocess)
        return self.predictions_of(self.logits(batch, sizes), sizes)

    def read(self, faces: Sequence[npt.NDArray[np.uint8]]) -> Readings:
        """Classify face crops of live pictures: faces that cannot be read in time are lost, and nothing waits.

        It differs from :meth:`classify` only where the model runs on another machine.

        Args:
            faces: N crops, as for :meth:`classify`.

        Raises:
            InputSpecError: A crop cannot be preprocessed.
        """
        batch, sizes = preprocess(faces, self._manifest.preprocess)
        name = self._manifest.graph.logits_output
        logits = np.full((len(faces), len(self.labels)), np.nan, np.float32)
        losses: list[LossReason | None] = [None] * len(faces)
        for number, result in enumerate(self._attempts(self._feeds(batch, sizes))):
            part = slice(number * self._max_batch, min((number + 1) * self._max_batch, len(faces)))
            if isinstance(result, InferenceLostError):
                losses[part] = [result.reason] * (part.stop - part.start)
            else:
                logits[part] = result[name]
        return Readings(self.predictions_of(logits, sizes), tuple(losses))

    def _attempts(self, feeds: Iterator[dict[str, Array]]) -> Iterator[dict[str, Array] | InferenceLostError]:
        if isinstance(self._runner, RemoteRunner):
            return self._runner.attempt_each(feeds)
        return iter(self._runner.infer_each(feeds))

    def logits(self, batch: npt.NDArray[np.uint8], face_size_px: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Run the graph on preprocessed faces.

        Args:
            batch: uint8 (N, channels, height, width).
            face_size_px: float32 (N,), native size of each face.

        Returns:
            Uncalibrated logits, float32 (N, K).
        """
        name = self._manifest.graph.logits_output
        found = [result[name] for result in self._runner.infer_each(self._feeds(batch, face_size_px))]
        return np.concatenate([np.empty((0, len(self.labels)), np.float32), *found])

    def _feeds(self, batch: npt.NDArray[np.uint8], face_size_px: npt.NDArray[np.float32]) -> Iterator[dict[str, Array]]:
        graph = self._manifest.graph
        for start in range(0, len(batch), self._max_batch):
            part = slice(start, start + self._max_batch)
            feed: dict[str, Array] = {graph.faces_input: batch[part]}
            if graph.face_size_input is not None:
                feed[graph.face_size_input] = face_size_px[part]
            yield feed

    def predictions_of(
        self, logits: npt.NDArray[np.float32], face_size_px: npt.NDArray[np.float32]
    ) -> ExpressionPredictions:
        """Turn logits into calibrated predictions.

        Args:
            logits: float32 (N, K).
            face_size_px: float32 (N,).
        """
        temperatures = temperatures_for(face_size_px, self._manifest.temperatures)
        probabilities = softmax(logits / temperatures[:, None])
        label_index = probabilities.argmax(axis=1).astype(np.int64)
        confidence = probabilities.max(axis=1, initial=0.0)
        return ExpressionPredictions(
            labels=self.labels,
            probabilities=probabilities,
            label_index=label_index,
            face_size_px=face_size_px,
            abstained=confidence < self._abstain_below,
        )

    def __enter__(self) -> ExpressionClassifier:
        with ExitStack() as taken:
            taken.enter_context(self._runner)
            if self._self_test is not None:
                self._self_test(self)
            taken.pop_all()  # all is well: the runner is left with the classifier
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._runner.__exit__(kind, error, trace)


def _check_tensors(runner: Runner, manifest: BundleManifest) -> None:
    graph, spec = manifest.graph, manifest.preprocess
    wanted = {graph.faces_input} | ({graph.face_size_input} if graph.face_size_input else set())
    shape = (None, spec.channels, spec.height, spec.width)
    if set(runner.inputs) != wanted or graph.logits_output not in runner.outputs:
        raise BundleError(
            "the graph's tensors are not those of the bundle",
            expected=f"inputs {sorted(wanted)}, output {graph.logits_output}",
            found=f"inputs {sorted(runner.inputs)}, outputs {sorted(runner.outputs)}",
            fix="fsrfer-export onnx",
        )
    faces = runner.inputs[graph.faces_input]
    if faces.dtype != np.uint8 or faces.shape[1:] != shape[1:]:
        raise BundleError(
            "the graph's input is not what the bundle preprocesses to",
            expected=f"uint8 (?, {spec.channels}, {spec.height}, {spec.width})",
            found=faces.describe(),
            fix="fsrfer-export onnx",
        )
