"""A residual network as an ONNX graph: normalisation, stem, a plain and a halving block, FiLM, pooling, two heads.

What quantisation and precision conversion have to get right in small; random weights, no PyTorch.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from fsrfer.core import (
    ArtifactKind,
    BundleManifest,
    ColorMode,
    GraphSpec,
    ModelBundle,
    PreprocessSpec,
    Provenance,
)
from fsrfer.datasets.in_memory import InMemoryFaces

LABELS = ("neutral", "happiness", "surprise", "sadness")
SIZE = 24


class NetworkBuilder:
    """Collects nodes and random weights."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.weights: dict[str, np.ndarray] = {}

    def add(self, op: str, inputs: list[str], output: str, **attributes: object) -> str:
        self.nodes.append(helper.make_node(op, inputs, [output], name=f"{op.lower()}_{output}", **attributes))
        return output

    def constant(self, name: str, value: np.ndarray) -> str:
        self.weights[name] = value
        return name

    def conv(self, source: str, output: str, channels: tuple[int, int], kernel: int = 3, stride: int = 1) -> str:
        scale = np.sqrt(2 / (channels[0] * kernel**2))
        weight = self.rng.normal(0, scale, (channels[1], channels[0], kernel, kernel)).astype(np.float32)
        bias = self.rng.normal(0, 0.1, channels[1]).astype(np.float32)
        inputs = [source, self.constant(f"{output}.w", weight), self.constant(f"{output}.b", bias)]
        shape = {"kernel_shape": [kernel, kernel], "pads": [kernel // 2] * 4, "strides": [stride, stride]}
        return self.add("Conv", inputs, output, **shape)

    def linear(self, source: str, output: str, rows: int, columns: int) -> str:
        weight = self.rng.normal(0, 1 / np.sqrt(rows), (columns, rows)).astype(np.float32)
        inputs = [source, self.constant(f"{output}.w", weight), self.constant(f"{output}.b", np.zeros(columns, "f4"))]
        return self.add("Gemm", inputs, output, transB=1)


def residual_model(
    *, channels: int = 3, conditioned: bool = False, pooled: bool = False, seed: int = 0, width: int = 8
) -> onnx.ModelProto:
    """Build the graph: uint8 faces (N, channels, 24, 24) to float32 logits and probabilities.

    Args:
        channels: 3 for RGB, 1 for grey.
        conditioned: Whether the network also reads each face's native size.
        pooled: Whether the shortcut of the halving block averages 2x2 pixels instead of taking every other one.
        seed: Key of the random weights.
        width: Channels of the first half.
    """
    net = NetworkBuilder(seed)
    net.add("Cast", ["faces"], "float", to=TensorProto.FLOAT)
    net.add("Mul", ["float", net.constant("scale", np.float32(1 / 127.5))], "scaled")
    net.add("Sub", ["scaled", net.constant("one", np.float32(1))], "normal")
    stem = net.add("Relu", [net.conv("normal", "stem", (channels, width))], "stem_active")
    main = net.conv(net.add("Relu", [net.conv(stem, "a1", (width, width))], "a1_active"), "a2", (width, width))
    if conditioned:
        main = _film(net, main, width)
    plain = net.add("Relu", [net.add("Add", [main, stem], "a_sum")], "a_out")
    first = net.add("Relu", [net.conv(plain, "b1", (width, 2 * width), stride=2)], "b1_active")
    second = net.conv(first, "b2", (2 * width, 2 * width))
    if pooled:
        halved = net.add("AveragePool", [plain], "b_pooled", kernel_shape=[2, 2], strides=[2, 2])
        shortcut = net.conv(halved, "b_shortcut", (width, 2 * width), kernel=1)
    else:
        shortcut = net.conv(plain, "b_shortcut", (width, 2 * width), kernel=1, stride=2)
    out = net.add("Relu", [net.add("Add", [second, shortcut], "b_sum")], "b_out")
    axes = net.constant("axes", np.array([2, 3], np.int64))
    pooled = net.add("ReduceMean", [out, axes], "pooled", keepdims=0)
    net.linear(pooled, "logits", 2 * width, len(LABELS))
    net.add("Softmax", ["logits"], "probabilities", axis=1)
    return _model(net, channels, conditioned)


def _film(net: NetworkBuilder, features: str, width: int) -> str:
    net.add("Unsqueeze", ["face_size", net.constant("one_axis", np.array([1], np.int64))], "size_column")
    net.add("Log", ["size_column"], "log_size")
    hidden = net.add("Relu", [net.linear("log_size", "film1", 1, 8)], "film1_active")
    axes = net.constant("plane", np.array([2, 3], np.int64))
    scale = net.add("Unsqueeze", [net.linear(hidden, "film_scale", 8, width), axes], "scale_map")
    shift = net.add("Unsqueeze", [net.linear(hidden, "film_shift", 8, width), axes], "shift_map")
    return net.add("Add", [net.add("Mul", [features, scale], "film_scaled"), shift], "film_out")


def _model(net: NetworkBuilder, channels: int, conditioned: bool) -> onnx.ModelProto:
    inputs = [helper.make_tensor_value_info("faces", TensorProto.UINT8, ["N", channels, SIZE, SIZE])]
    if conditioned:
        inputs.append(helper.make_tensor_value_info("face_size", TensorProto.FLOAT, ["N"]))
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", len(LABELS)])
        for name in ("logits", "probabilities")
    ]
    weights = [numpy_helper.from_array(np.asarray(value), name) for name, value in net.weights.items()]
    graph = helper.make_graph(net.nodes, "residual", inputs, outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    model.metadata_props.add(key="fsrfer.name", value="residual")
    onnx.checker.check_model(model, full_check=True)
    return _balanced(model, channels)


def _balanced(model: onnx.ModelProto, channels: int) -> onnx.ModelProto:
    """Scale and shift the logits so that each expression is decided for: else no decision could ever change."""
    images = np.stack([image[:SIZE, :SIZE, :channels] for image in noise_faces(48, seed=9).images])
    feed = {"faces": np.ascontiguousarray(images.transpose(0, 3, 1, 2))}
    if len(model.graph.input) > 1:
        feed["face_size"] = np.tile(np.float32([24, 12]), 24)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    logits = session.run(["logits"], feed)[0]
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    weight = numpy_helper.to_array(tensors["logits.w"]) / logits.std(axis=0)[:, None]
    tensors["logits.w"].CopyFrom(numpy_helper.from_array(weight, "logits.w"))
    bias = (-logits.mean(axis=0) / logits.std(axis=0)).astype(np.float32)
    tensors["logits.b"].CopyFrom(numpy_helper.from_array(bias, "logits.b"))
    return model


def write_residual_bundle(
    path: Path, *, channels: int = 3, conditioned: bool = False, seed: int = 0, model: onnx.ModelProto | None = None
) -> ModelBundle:
    """Write a bundle around the graph, or around another one with the same tensors."""
    manifest = BundleManifest(
        name="residual",
        labels=LABELS,
        preprocess=PreprocessSpec(SIZE, SIZE, ColorMode.RGB if channels == 3 else ColorMode.GRAY),
        graph=GraphSpec(face_size_input="face_size" if conditioned else None),
        architecture={},
        recipe={},
        provenance=Provenance.now(seed=seed, dataset_ids=("none",)),
    )
    graph = model or residual_model(channels=channels, conditioned=conditioned, seed=seed)
    return ModelBundle.create(path, manifest).store(ArtifactKind.ONNX_FP32, lambda target: onnx.save(graph, target))


def noise_faces(count: int = 96, *, size: int = 32, seed: int = 0) -> InMemoryFaces:
    """Labelled blotches of different roughness: enough variety for ranges, and no two alike."""
    rng = np.random.default_rng(seed)
    images = np.empty((count, size, size, 3), np.uint8)
    for index in range(count):
        cells = int(rng.choice([2, 4, 8, 16]))
        patch = rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8)
        images[index] = patch.repeat(size // cells, axis=0).repeat(size // cells, axis=1)
    return InMemoryFaces(
        name="noise",
        split="train",
        labels=LABELS,
        images=images,
        label_indices=rng.choice(len(LABELS), count, p=[0.5, 0.3, 0.15, 0.05]).astype(np.int64),
        sample_ids=[str(index) for index in range(count)],
    )
