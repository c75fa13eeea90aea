"""bfloat16 graphs, for TensorRT 10 and later on GPUs from Ampere on.

A bfloat16 has the range of a float32, so nothing overflows where FP16 would; it has 7 bits of fraction, so it rounds
eight times as coarsely. It is the format for a model whose activations are too large for FP16.

No processor here multiplies such graphs: ONNX Runtime has no bfloat16 kernels for CPUs. What rounding does to the
decisions is measured all the same, on a float32 graph in which every tensor is rounded to bfloat16 and back: a GPU
multiplies bfloat16 numbers and adds up in float32, too.
"""

from __future__ import annotations

from collections.abc import Collection
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ..calibration.calibration_set import CalibrationManifest, CalibrationSet
from ..calibration.onnx_packages import import_onnx
from ..calibration.quantization_plan import prepared
from ..core.bundle import ArtifactKind, ModelBundle
from .float16 import FLOAT32_OPS, check_convertible, normalisation_nodes
from .half_comparison import compare_decisions
from .half_edges import HalfFormat, retype

if TYPE_CHECKING:
    import onnx

OPSET = 22
"""The first operator set in which convolutions take bfloat16."""


@dataclass(frozen=True)
class BFloat16Report:
    """What the conversion did.

    Attributes:
        bfloat16_nodes: Number of nodes that compute in bfloat16.
        float32_nodes: Names of the nodes that compute in float32.
        checked_on: Faces that decisions were compared on; None where there were none.
        logits_sqnr_db: Signal to noise of the logits under its rounding, in dB; None without faces.
        agreement: Fraction of faces with the same most probable expression; None without faces.
    """

    bfloat16_nodes: int
    float32_nodes: tuple[str, ...]
    checked_on: CalibrationManifest | None = None
    logits_sqnr_db: float | None = None
    agreement: float | None = None


def export_bfloat16(bundle: ModelBundle, faces: CalibrationSet | None = None) -> tuple[ModelBundle, BFloat16Report]:
    """Store a bfloat16 form of a bundle's fused graph; inputs and outputs keep their types.

    Args:
        bundle: A bundle with its ``model.onnx``.
        faces: Faces to compare decisions on, under the same rounding in float32 arithmetic.

    Returns:
        The bundle with its ``model.bf16.onnx``, and what was done.

    Raises:
        BundleError: The bundle has no fused graph.
        EngineBuildError: The graph has parts that cannot be converted.
        CheckFailedError: Its rounding decides differently too often; nothing is stored.
        MissingDependencyError: ``onnx`` or ``onnxruntime`` is not installed.
    """
    onnx = import_onnx()
    source = bundle.artifact_path(ArtifactKind.ONNX_FP32)
    model = prepared(onnx.load(source))
    converted, kept = convert_to_bfloat16(model)
    checked_on = noise_db = agreement = None
    if faces is not None:
        rounded = rounded_like_bfloat16(model, kept).SerializeToString()
        noise_db, agreement = compare_decisions(bundle, source, rounded, faces, "bfloat16")
        checked_on = faces.manifest
    report = BFloat16Report(len(model.graph.node) - len(kept), kept, checked_on, noise_db, agreement)
    return bundle.store(ArtifactKind.ONNX_BF16, partial(onnx.save, converted)), report


def convert_to_bfloat16(model: onnx.ModelProto) -> tuple[onnx.ModelProto, tuple[str, ...]]:
    """Convert a graph, leaving in float32 what adds up many values or spans many magnitudes.

    Args:
        model: Floating-point graph, prepared.

    Returns:
        The graph, in operator set 22, and the names of the nodes in float32.

    Raises:
        EngineBuildError: The graph has branches, or is quantised.
    """
    onnx = import_onnx()
    check_convertible(model)
    kept = {*normalisation_nodes(model), *(node.name for node in model.graph.node if node.op_type in FLOAT32_OPS)}
    newer = prepared(onnx.version_converter.convert_version(model, OPSET))
    converted = retype(newer, kept, HalfFormat.BFLOAT16)
    onnx.checker.check_model(converted, full_check=True)
    return converted, tuple(node.name for node in model.graph.node if node.name in kept)


def rounded_like_bfloat16(model: onnx.ModelProto, float32_nodes: Collection[str]) -> onnx.ModelProto:
    """Return a float32 graph that rounds as its bfloat16 form does: weights, and every result of a converted node.

    Args:
        model: Floating-point graph, prepared.
        float32_nodes: Names of the nodes that are not converted.
    """
    onnx = import_onnx()
    rounded = deepcopy(model)
    graph = rounded.graph
    converted = [node for node in graph.node if node.name not in float32_nodes]
    read = {name for node in converted for name in node.input}
    bfloat16 = onnx.helper.tensor_dtype_to_np_dtype(onnx.TensorProto.BFLOAT16)
    for tensor in graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if tensor.name in read and values.dtype == np.float32:
            tensor.CopyFrom(onnx.numpy_helper.from_array(values.astype(bfloat16).astype(np.float32), tensor.name))
    infos = [*graph.value_info, *graph.output]
    floats = {info.name for info in infos if info.type.tensor_type.elem_type == onnx.TensorProto.FLOAT}
    nodes = []
    for node in graph.node:
        exact = [name for name in node.output if node.name not in float32_nodes and name in floats]
        nodes.append(node)
        for name in exact:
            node.output[list(node.output).index(name)] = f"{name}_exact"
            nodes += [
                onnx.helper.make_node("Cast", [f"{name}_exact"], [f"{name}_bf16"], to=onnx.TensorProto.BFLOAT16),
                onnx.helper.make_node("Cast", [f"{name}_bf16"], [name], to=onnx.TensorProto.FLOAT),
            ]
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:], graph.value_info[:]
    graph.node.extend(copies)
    return rounded
