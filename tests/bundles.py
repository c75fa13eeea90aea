"""Tiny real bundles: a small random convolutional network as an ONNX graph, without PyTorch.

Tests reach it through the fixture ``make_bundle``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from fsrfer.core import ArtifactKind, BundleManifest, ColorMode, GraphSpec, ModelBundle, PreprocessSpec, Provenance

FILTERS = 4


def write_bundle(
    path: Path,
    labels: tuple[str, ...] = ("neutral", "happiness", "surprise"),
    *,
    size: int = 24,
    channels: int = 3,
    conditioned: bool = False,
    crop_margin: float = 0.1,
    seed: int = 0,
    kinds: tuple[ArtifactKind, ...] = (ArtifactKind.ONNX_FP32,),
) -> ModelBundle:
    """Write a bundle with a random network: convolution, ReLU, mean over the plane, linear, softmax.

    Args:
        path: Its folder.
        labels: Expression names.
        size: Height and width of the model's input.
        channels: 3 for RGB, 1 for grey.
        conditioned: Whether the network also reads each face's native size.
        crop_margin: Margin around a detector's box.
        seed: Key of the random weights.
        kinds: Artefacts to store; they all hold the same graph.
    """
    graph = GraphSpec(face_size_input="face_size" if conditioned else None)
    manifest = BundleManifest(
        name="tiny",
        labels=labels,
        preprocess=PreprocessSpec(
            size, size, ColorMode.RGB if channels == 3 else ColorMode.GRAY, crop_margin=crop_margin
        ),
        graph=graph,
        architecture={"name": "tiny"},
        recipe={},
        provenance=Provenance.now(seed=seed, dataset_ids=("none",)),
    )
    model = tiny_model(graph, classes=len(labels), size=size, channels=channels, seed=seed)
    bundle = ModelBundle.create(path, manifest)
    for kind in kinds:
        bundle = bundle.store(kind, lambda target: onnx.save(model, target))
    return bundle


def tiny_model(graph: GraphSpec, *, classes: int, size: int, channels: int, seed: int = 0) -> onnx.ModelProto:
    """Build the network's graph: uint8 faces (N, channels, size, size) to float32 logits and probabilities."""
    rng = np.random.default_rng(seed)
    weights = {
        "scale": np.float32(1 / 255),
        "kernel": rng.normal(0, 1.0, (FILTERS, channels, 3, 3)).astype(np.float32),
        "linear": rng.normal(0, 3.0, (FILTERS, classes)).astype(np.float32),
        "bias": rng.normal(0, 0.1, classes).astype(np.float32),
    }
    nodes = [
        helper.make_node("Cast", [graph.faces_input], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["float", "scale"], ["scaled"]),
        helper.make_node("Conv", ["scaled", "kernel"], ["convolved"], strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["convolved"], ["active"]),
        helper.make_node("GlobalAveragePool", ["active"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["features"]),
        helper.make_node("Gemm", ["features", "linear", "bias"], ["raw_logits"]),
        *_condition(graph, weights),
        helper.make_node("Softmax", [graph.logits_output], [graph.probabilities_output], axis=1),
    ]
    inputs = [helper.make_tensor_value_info(graph.faces_input, TensorProto.UINT8, ["N", channels, size, size])]
    if graph.face_size_input is not None:
        inputs.append(helper.make_tensor_value_info(graph.face_size_input, TensorProto.FLOAT, ["N"]))
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", classes])
        for name in (graph.logits_output, graph.probabilities_output)
    ]
    initializers = [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()]
    model = helper.make_model(
        helper.make_graph(nodes, "tiny", inputs, outputs, initializers),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=9,
    )
    onnx.checker.check_model(model)
    return model


def _condition(graph: GraphSpec, weights: dict[str, np.ndarray]) -> list[onnx.NodeProto]:
    if graph.face_size_input is None:
        return [helper.make_node("Identity", ["raw_logits"], [graph.logits_output])]
    weights["axis"] = np.array([1], np.int64)
    weights["largest"] = np.float32(48)
    return [
        helper.make_node("Unsqueeze", [graph.face_size_input, "axis"], ["size_column"]),
        helper.make_node("Div", ["size_column", "largest"], ["relative_size"]),
        helper.make_node("Mul", ["raw_logits", "relative_size"], [graph.logits_output]),
    ]
