"""A graph that DeepStream's ``nvinfer`` can feed: one image input in float32, one output of probabilities.

``nvinfer`` gives a network ``net-scale-factor * (pixel - offset)`` as float32 planes, and nothing else: it does not
tell how large a face was. Its own parser of classifiers takes every output for probabilities of another attribute.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..calibration.onnx_packages import import_onnx
from ..core.bundle import BundleManifest
from ..core.errors import EngineBuildError, ParityError
from ..core.golden import GoldenVectors
from ..core.predictions import softmax
from ..core.temperature import temperatures_for
from ..runtime.classifier import ExpressionClassifier
from ..runtime.onnxruntime_runner import OnnxRuntimeRunner

if TYPE_CHECKING:
    import onnx

_SIZE_CONSTANT = "nvinfer_face_size"
MAX_PROBABILITY_ERROR = 1e-5


@dataclass(frozen=True)
class NvinferProof:
    """The derived graph against the bundle's on the golden faces.

    Attributes:
        faces: How many.
        max_error: Largest difference of a probability.
    """

    faces: int
    max_error: float


def nvinfer_graph(model: onnx.ModelProto, manifest: BundleManifest, face_size_px: float) -> onnx.ModelProto:
    """Derive the graph.

    Pixels come as whole numbers from 0 to 255 in float32, so that the graph's first cast has nothing left to do and
    goes. The native face size becomes a constant. The output is the softmax of the logits over the temperature that
    the bundle has for that size.

    Args:
        model: The bundle's fused FP32 graph; not changed.
        manifest: Its description.
        face_size_px: Native face size that the model is told for every face; in any case that of the temperature.

    Raises:
        EngineBuildError: The graph reads its faces by something else than a cast to float32.
    """
    onnx = import_onnx()
    derived = deepcopy(model)
    graph, names = derived.graph, manifest.graph
    _take_floats(graph, names.faces_input)
    if names.face_size_input is not None:
        _fix_size(graph, names.faces_input, names.face_size_input, face_size_px)
    temperature = float(temperatures_for(np.array([face_size_px], np.float32), manifest.temperatures)[0])
    _tell_probabilities(graph, names.logits_output, names.probabilities_output, temperature)
    onnx.checker.check_model(derived, full_check=True)
    return derived


def prove(
    derived: onnx.ModelProto,
    model: onnx.ModelProto,
    manifest: BundleManifest,
    golden: GoldenVectors,
    face_size_px: float,
) -> NvinferProof:
    """Run both graphs on the golden faces, the bundle's told the same face size, and compare probabilities.

    Raises:
        ParityError: One differs by more than 1e-5, or a decision differs.
    """
    sizes = np.full(len(golden.faces), face_size_px, np.float32)
    with ExpressionClassifier(OnnxRuntimeRunner(model.SerializeToString()), manifest) as classifier:
        logits = classifier.logits(golden.faces, sizes)
    expected = softmax(logits / temperatures_for(sizes, manifest.temperatures)[:, None])
    with OnnxRuntimeRunner(derived.SerializeToString()) as runner:
        feed = {manifest.graph.faces_input: golden.faces.astype(np.float32)}
        found = runner.infer(feed)[manifest.graph.probabilities_output]
    error = float(np.abs(found - expected).max())
    # Written as "not within", so that NaN fails.
    if not (error <= MAX_PROBABILITY_ERROR and (found.argmax(axis=1) == expected.argmax(axis=1)).all()):
        raise ParityError(
            "the graph for nvinfer differs from the bundle's",
            expected=f"probabilities within {MAX_PROBABILITY_ERROR:g} and equal decisions",
            found=f"a difference of {error:.3g}",
            fix="report the model that shows this",
        )
    return NvinferProof(len(golden.faces), error)


def _take_floats(graph: onnx.GraphProto, faces: str) -> None:
    onnx = import_onnx()
    casts = [node for node in graph.node if faces in node.input]
    floats = onnx.TensorProto.FLOAT
    strange = [node for node in casts if node.op_type != "Cast" or node.attribute[0].i != floats]
    if strange or not casts:
        raise EngineBuildError(
            "the graph cannot take floats for pixels",
            expected=f"a cast of {faces} to float32 and no other reader",
            found=", ".join(f"{node.op_type} {node.name}" for node in strange) or "no reader",
            fix="fsrfer-export onnx",
        )
    for cast in casts:
        _rename_input(graph.node, cast.output[0], faces)
        graph.node.remove(cast)
    next(info for info in graph.input if info.name == faces).type.tensor_type.elem_type = floats


def _fix_size(graph: onnx.GraphProto, faces: str, face_size: str, face_size_px: float) -> None:
    onnx = import_onnx()
    info = next(info for info in graph.input if info.name == face_size)
    graph.input.remove(info)
    graph.initializer.append(onnx.numpy_helper.from_array(np.array([face_size_px], np.float32), _SIZE_CONSTANT))
    batch = f"{_SIZE_CONSTANT}_batch"
    nodes = (
        onnx.helper.make_node("Shape", [faces], [batch], name=f"{batch}.shape", start=0, end=1),
        onnx.helper.make_node("Expand", [_SIZE_CONSTANT, batch], [face_size], name=f"{_SIZE_CONSTANT}.expand"),
    )
    for position, node in enumerate(nodes):
        graph.node.insert(position, node)


def _tell_probabilities(graph: onnx.GraphProto, logits: str, probabilities: str, temperature: float) -> None:
    onnx = import_onnx()
    plain = next(node for node in graph.node if probabilities in node.output)
    graph.node.remove(plain)
    graph.output.remove(next(info for info in graph.output if info.name == logits))
    scale, scaled = "nvinfer_temperature", "nvinfer_scaled_logits"
    graph.initializer.append(onnx.numpy_helper.from_array(np.array(1.0 / temperature, np.float32), scale))
    graph.node.append(onnx.helper.make_node("Mul", [logits, scale], [scaled], name="nvinfer.temperature"))
    graph.node.append(onnx.helper.make_node("Softmax", [scaled], [probabilities], name="nvinfer.softmax", axis=1))


def _rename_input(nodes: Sequence[onnx.NodeProto], before: str, after: str) -> None:
    for node in nodes:
        for position, name in enumerate(node.input):
            if name == before:
                node.input[position] = after
