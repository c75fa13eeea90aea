"""Which layers of a model INT8 harms, and at which face sizes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..core.bundle import ArtifactKind, GraphSpec
from ..core.predictions import softmax
from ..core.roles import Role, role_of
from ..runtime.onnxruntime_runner import OnnxRuntimeRunner, SessionOptions
from .calibration_set import CalibrationSet
from .int8_builder import Int8Builder
from .quantization_report import logits_of

if TYPE_CHECKING:
    import onnx

Float32Array = npt.NDArray[np.float32]
OnProgress = Callable[[int, int], None]


@dataclass(frozen=True)
class LayerSensitivity:
    """What quantising one layer alone does to a model.

    Attributes:
        name: Name of the node.
        role: Part of the model that it belongs to.
        parameters: Number of its weights; 0 for what stands between layers.
        damage_by_size: Mean divergence of the probabilities from those of the floating-point model, in nats
            (Kullback-Leibler), by native face size in pixels.
    """

    name: str
    role: Role
    parameters: int
    damage_by_size: dict[str, float]

    @property
    def worst(self) -> float:
        """Damage at the face size that suffers most."""
        return max(self.damage_by_size.values())


def rank_layers(
    builder: Int8Builder,
    kind: ArtifactKind,
    names: GraphSpec,
    faces: CalibrationSet,
    on_progress: OnProgress | None = None,
) -> tuple[LayerSensitivity, ...]:
    """Quantise each layer alone and measure the damage, the most harmful layer first.

    The damage is that to the probabilities and not to decisions: few faces are near enough to a boundary for one layer
    to change their decision, so counting those would rank by chance.

    Args:
        builder: Makes the graphs.
        kind: For TensorRT or for CPUs; their grids differ.
        names: Names of the graph's tensors.
        faces: Faces that the ranges were not measured on.
        on_progress: Told the layers done, and their number.
    """
    reference = _probabilities(builder.model, kind, names, faces)
    parameters = _parameters(builder.model)
    sizes = np.rint(faces.face_size_px).astype(np.int64)
    found = []
    layers = builder.layers(kind)
    for position, layer in enumerate(layers, start=1):
        probabilities = _probabilities(builder.build_only(kind, layer), kind, names, faces)
        damage = divergence(reference, probabilities)
        by_size = {str(size): float(damage[sizes == size].mean()) for size in sorted(set(sizes.tolist()), reverse=True)}
        found.append(LayerSensitivity(layer, role_of(layer), parameters[layer], by_size))
        if on_progress is not None:
            on_progress(position, len(layers))
    return tuple(sorted(found, key=lambda layer: -layer.worst))


def divergence(reference: Float32Array, candidate: Float32Array) -> npt.NDArray[np.float64]:
    """Return sum p log(p / q) of each row, in nats.

    Args:
        reference: Probabilities p, float32 (N, K).
        candidate: Probabilities q, float32 (N, K).

    Returns:
        float64 (N,), at least 0 up to rounding.
    """
    p, q = reference.astype(np.float64), np.maximum(candidate.astype(np.float64), 1e-12)
    return np.asarray(np.where(p > 0, p * np.log(np.maximum(p, 1e-12) / q), 0.0).sum(axis=1))


def _probabilities(model: onnx.ModelProto, kind: ArtifactKind, names: GraphSpec, faces: CalibrationSet) -> Float32Array:
    # TensorRT's graph is run as it is written: what ONNX Runtime would make of it on a CPU is beside the point.
    options = SessionOptions(optimize=kind is ArtifactKind.ONNX_INT8_CPU)
    with OnnxRuntimeRunner(model.SerializeToString(), options) as runner:
        return softmax(logits_of(runner, names, faces))


def _parameters(model: onnx.ModelProto) -> Mapping[str, int]:
    sizes = {tensor.name: int(np.prod(tensor.dims)) for tensor in model.graph.initializer}
    return {node.name: sizes.get(node.input[1], 0) if len(node.input) > 1 else 0 for node in model.graph.node}
