"""A quantised graph against its floating-point graph on labelled faces of every size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..core.bundle import ArtifactKind, BundleManifest
from ..core.fidelity import FidelityReport, compare_sizes
from ..core.temperature import temperatures_for
from ..datasets import FaceDataset, SizedBatch, Track, sized_batches, with_labels
from ..runtime.classifier import ExpressionClassifier
from ..runtime.onnxruntime_runner import OnnxRuntimeRunner, SessionOptions

if TYPE_CHECKING:
    import onnx

_BATCH = 64

Float32Array = npt.NDArray[np.float32]


class Int8Judge:
    """Compares graphs with one reference; faces are prepared and the reference is run only once.

    Args:
        model: The floating-point graph.
        manifest: The bundle's description of it.
        kind: For TensorRT or for CPUs: how the quantised graphs are to be run.
        dataset: Labelled faces that the ranges were not measured on.
        sizes: Native face sizes in pixels, all different.
        track: How small faces are made.
    """

    def __init__(
        self,
        model: onnx.ModelProto,
        manifest: BundleManifest,
        kind: ArtifactKind,
        dataset: FaceDataset,
        sizes: Sequence[int],
        track: Track = Track.CLEAN,
    ) -> None:
        self._manifest = manifest
        self._faces = with_labels(dataset, manifest.labels)
        self._sizes = tuple(sizes)
        # TensorRT's graph is run as it is written: what ONNX Runtime would make of it on a CPU is beside the point.
        self._options = SessionOptions(optimize=kind is ArtifactKind.ONNX_INT8_CPU)
        self._batches: list[SizedBatch] = list(
            sized_batches(self._faces, manifest.preprocess, self._sizes, track, _BATCH)
        )
        native = {size: self._joined(size, [batch.native_px for batch in self._batches]) for size in self._sizes}
        self._temperatures = {size: temperatures_for(native[size], manifest.temperatures) for size in self._sizes}
        self._reference = self._logits(model)

    def compare(self, graph: onnx.ModelProto, name: str) -> FidelityReport:
        """Run a graph on all faces.

        Args:
            graph: A quantised form of the model.
            name: What to call it.
        """
        return compare_sizes(
            ("FP32", name),
            self._faces.dataset_id,
            self._faces.label_indices,
            self._faces.labels,
            self._reference,
            self._logits(graph),
            self._temperatures,
        )

    def _logits(self, model: onnx.ModelProto) -> dict[int, Float32Array]:
        runner = OnnxRuntimeRunner(model.SerializeToString(), self._options)
        with ExpressionClassifier(runner, self._manifest) as classifier:
            found = [classifier.logits(batch.faces, batch.native_px) for batch in self._batches]
        return {size: self._joined(size, found) for size in self._sizes}

    def _joined(self, size: int, parts: Sequence[Float32Array]) -> Float32Array:
        own = [part for part, batch in zip(parts, self._batches, strict=True) if batch.face_size_px == size]
        return np.concatenate(own)
