"""Half-precision graphs.

TensorRT from 10 on takes number formats from the graph and refuses a node whose operands differ in theirs, so the
conversion has to be exact about every edge. What half precision harms stays in float32: normalisation, means over the
plane (sums overflow), softmax, and whatever calibration data drives near the largest half-precision number.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ..calibration.activation_histograms import measure_histograms
from ..calibration.calibration_set import CalibrationManifest, CalibrationSet
from ..calibration.int8_config import RangeMethod
from ..calibration.onnx_packages import import_onnx
from ..calibration.quantization_plan import COMPUTE_OPS, prepared
from ..calibration.range_methods import Grid, Ranges, select_ranges
from ..core.bundle import ArtifactKind, ModelBundle
from ..core.errors import EngineBuildError
from ..core.schema import to_mapping
from .half_comparison import compare_decisions
from .half_edges import retype

if TYPE_CHECKING:
    import onnx

FLOAT32_OPS = frozenset(
    {
        "Exp",
        "GlobalAveragePool",
        "InstanceNormalization",
        "LayerNormalization",
        "Log",
        "LogSoftmax",
        "Pow",
        "ReduceL2",
        "ReduceMean",
        "ReduceSum",
        "ReduceSumSquare",
        "Softmax",
    }
)
"""Operators that add up many values or whose results span many magnitudes."""

LARGEST_HALF = 65504.0
_HEADROOM = 2.0  # calibration saw a sample of what will come


@dataclass(frozen=True)
class Float16Report:
    """What the conversion did.

    Attributes:
        float16_nodes: Number of nodes that compute in half precision.
        float32_nodes: Names of the nodes that compute in float32.
        overflowing: Names of those among them that would overflow in half precision.
        largest: Largest magnitude that each node read or wrote, as measured on the faces; empty without faces.
        vanishing_weights: Number of weights other than zero that are zero in half precision.
        checked_on: Faces that activations were measured and decisions compared on; None where there were none.
        logits_sqnr_db: Signal to noise of the logits, in dB; None without faces.
        agreement: Fraction of faces with the same most probable expression; None without faces.
    """

    float16_nodes: int
    float32_nodes: tuple[str, ...]
    overflowing: tuple[str, ...]
    vanishing_weights: int
    largest: dict[str, float] = field(default_factory=dict)
    checked_on: CalibrationManifest | None = None
    logits_sqnr_db: float | None = None
    agreement: float | None = None


def export_float16(bundle: ModelBundle, faces: CalibrationSet | None = None) -> tuple[ModelBundle, Float16Report]:
    """Store a half-precision form of a bundle's fused graph; inputs and outputs keep their types.

    Args:
        bundle: A bundle with its ``model.onnx``.
        faces: Faces to look for overflow and compare decisions on; without them only the weights are checked.

    Returns:
        The bundle with its ``model.fp16.onnx``, and what was done, which is in ``manifest.float16`` too.

    Raises:
        BundleError: The bundle has no fused graph.
        EngineBuildError: The graph has parts that cannot be converted.
        CheckFailedError: The half-precision graph decides differently too often; nothing is stored.
        MissingDependencyError: ``onnx`` or ``onnxruntime`` is not installed.
    """
    onnx = import_onnx()
    source = bundle.artifact_path(ArtifactKind.ONNX_FP32)
    model = prepared(onnx.load(source))
    ranges: Ranges = {}
    if faces is not None:
        histograms = measure_histograms(model, partial(faces.feeds, bundle.manifest.graph))
        ranges = select_ranges(histograms, RangeMethod.MINMAX, Grid.INT8_SYMMETRIC)
    half, report = convert_to_float16(model, ranges)
    if faces is not None:
        noise_db, agreement = compare_decisions(
            bundle, source, half.SerializeToString(), faces, "the half-precision graph"
        )
        report = replace(report, checked_on=faces.manifest, logits_sqnr_db=noise_db, agreement=agreement)
    stored = bundle.store(ArtifactKind.ONNX_FP16, partial(onnx.save, half))
    return stored.record(float16=to_mapping(report)), report


def convert_to_float16(model: onnx.ModelProto, ranges: Ranges) -> tuple[onnx.ModelProto, Float16Report]:
    """Convert a graph, leaving in float32 what half precision harms.

    Args:
        model: Floating-point graph, prepared.
        ranges: Range of each activation; empty for not measured.

    Raises:
        EngineBuildError: The graph has branches, or is quantised.
    """
    check_convertible(model)
    overflowing = overflowing_nodes(model, ranges)
    kept = {*overflowing, *normalisation_nodes(model)}
    kept |= {node.name for node in model.graph.node if node.op_type in FLOAT32_OPS}
    half = retype(model, kept)
    import_onnx().checker.check_model(half, full_check=True)
    report = Float16Report(
        float16_nodes=len(model.graph.node) - len(kept),
        float32_nodes=tuple(node.name for node in model.graph.node if node.name in kept),
        overflowing=overflowing,
        vanishing_weights=_vanishing_weights(model, kept),
        largest=_largest_by_node(model, ranges),
    )
    return half, report


def overflowing_nodes(model: onnx.ModelProto, ranges: Ranges) -> tuple[str, ...]:
    """Return the names of the nodes that read or write numbers too large for half precision, with headroom."""
    numpy_helper = import_onnx().numpy_helper
    largest = {name: value * _HEADROOM for name, value in _largest(ranges).items()}
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and values.size:
            largest[tensor.name] = float(np.abs(values).max())
    return tuple(
        node.name
        for node in model.graph.node
        if any(largest.get(name, 0.0) > LARGEST_HALF for name in (*node.input, *node.output))
    )


def _largest(ranges: Ranges) -> dict[str, float]:
    return {name: max(abs(low), abs(high)) for name, (low, high) in ranges.items()}


def _largest_by_node(model: onnx.ModelProto, ranges: Ranges) -> dict[str, float]:
    largest = _largest(ranges)
    known = {node.name: [largest[n] for n in (*node.input, *node.output) if n in largest] for node in model.graph.node}
    return {name: float(f"{max(values):.4g}") for name, values in known.items() if values}


def check_convertible(model: onnx.ModelProto) -> None:
    """Check that a graph can be converted.

    Raises:
        EngineBuildError: It has branches, or is quantised.
    """
    graph_type = import_onnx().AttributeProto.GRAPH
    for node in model.graph.node:
        if any(attribute.type == graph_type for attribute in node.attribute):
            raise EngineBuildError(f"{node.op_type} {node.name} has branches, which cannot be converted")
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            raise EngineBuildError("a quantised graph cannot be converted", expected="the FP32 graph", found=node.name)


def normalisation_nodes(model: onnx.ModelProto) -> list[str]:
    """Return the names of the nodes that no node with weights precedes: they see raw pixels and face sizes."""
    behind_weights: set[str] = set()
    before = []
    for node in model.graph.node:
        if node.op_type in COMPUTE_OPS or not behind_weights.isdisjoint(node.input):
            behind_weights.update(node.output)
        else:
            before.append(node.name)
    return before


def _vanishing_weights(model: onnx.ModelProto, kept: Collection[str]) -> int:
    read = {name for node in model.graph.node if node.name not in kept for name in node.input}
    return sum(_vanishing(tensor) for tensor in _named(model.graph.initializer, read))


def _named(tensors: Iterable[onnx.TensorProto], names: Collection[str]) -> list[onnx.TensorProto]:
    return [tensor for tensor in tensors if tensor.name in names]


def _vanishing(tensor: onnx.TensorProto) -> int:
    values = import_onnx().numpy_helper.to_array(tensor)
    if values.dtype != np.float32:
        return 0
    return int(np.count_nonzero(values) - np.count_nonzero(values.astype(np.float16)))
