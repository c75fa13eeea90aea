"""What quantisation did to a graph and to its decisions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..core.bundle import GraphSpec
from ..core.fidelity import sqnr_db
from ..runtime.runner import Runner
from .calibration_set import CalibrationManifest, CalibrationSet
from .int8_config import RangeMethod
from .quantization_plan import COMPUTE_OPS

if TYPE_CHECKING:
    import onnx

Float32Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class GraphQuantization:
    """One quantised graph against the floating-point one.

    Attributes:
        size_bytes: Size of the file.
        quantize_nodes: Number of QuantizeLinear nodes.
        dequantize_nodes: Number of DequantizeLinear nodes.
        quantized: Number of nodes with weights that read int8.
        float_nodes: Names of the nodes with weights that do not.
        logits_sqnr_db: Signal to quantisation noise of the logits, in dB.
        max_logit_error: Largest absolute difference of a logit.
        agreement: Fraction of held-out faces with the same most probable expression.
        agreement_by_size: The same by native face size in pixels.
    """

    size_bytes: int
    quantize_nodes: int
    dequantize_nodes: int
    quantized: int
    float_nodes: tuple[str, ...]
    logits_sqnr_db: float
    max_logit_error: float
    agreement: float
    agreement_by_size: dict[str, float]


@dataclass(frozen=True)
class QuantizationReport:
    """How the INT8 graphs of a bundle were made and what they lost; ``calibration`` of ``bundle.json``.

    Attributes:
        source_sha256: Hash of the floating-point graph.
        method: How ranges were found.
        percentile: What part of the values lies inside, in percent; None for the plain range.
        calibrated_on: Faces that the ranges come from.
        checked_on: Other faces, that the figures below come from.
        tensorrt: The graph for TensorRT.
        cpu: The graph for CPUs.
        versions: Versions of the packages that matter.
    """

    source_sha256: str
    method: RangeMethod
    percentile: float | None
    calibrated_on: CalibrationManifest
    checked_on: CalibrationManifest
    tensorrt: GraphQuantization
    cpu: GraphQuantization
    versions: dict[str, str]


def logits_of(runner: Runner, graph: GraphSpec, faces: CalibrationSet) -> Float32Array:
    """Run a graph on a set of faces and return the logits, float32 (N, K)."""
    return np.concatenate([runner.infer(feed)[graph.logits_output] for feed in faces.feeds(graph)])


def compare_quantized(
    model: onnx.ModelProto, reference: Float32Array, candidate: Float32Array, face_size_px: Float32Array
) -> GraphQuantization:
    """Count what is quantised in a graph and compare its logits with those of the floating-point graph.

    Args:
        model: The quantised graph.
        reference: Logits of the floating-point graph, float32 (N, K).
        candidate: Logits of the quantised graph on the same faces.
        face_size_px: Native sizes of these faces, float32 (N,).
    """
    quantized, floating = quantized_nodes(model)
    same = reference.argmax(axis=1) == candidate.argmax(axis=1)
    sizes = np.rint(face_size_px).astype(np.int64)
    operators = [node.op_type for node in model.graph.node]
    return GraphQuantization(
        size_bytes=model.ByteSize(),
        quantize_nodes=operators.count("QuantizeLinear"),
        dequantize_nodes=operators.count("DequantizeLinear"),
        quantized=len(quantized),
        float_nodes=tuple(floating),
        logits_sqnr_db=round(sqnr_db(reference, candidate), 2),
        max_logit_error=float(np.abs(reference - candidate).max()),
        agreement=float(same.mean()),
        agreement_by_size={str(size): float(same[sizes == size].mean()) for size in sorted(set(sizes.tolist()))},
    )


def quantized_nodes(model: onnx.ModelProto) -> tuple[list[str], list[str]]:
    """Return the names of the nodes with weights whose both operands come from DequantizeLinear, and of the others."""
    dequantized = {node.output[0] for node in model.graph.node if node.op_type == "DequantizeLinear"}
    weighted = [node for node in model.graph.node if node.op_type in COMPUTE_OPS]
    quantized = [node.name for node in weighted if dequantized.issuperset(node.input[:2])]
    taken = set(quantized)
    return quantized, [node.name for node in weighted if node.name not in taken]
