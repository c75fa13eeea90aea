"""Backbone, generator and classifier as one ONNX graph.

The only module outside training that sees PyTorch.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import torch
from torch import Tensor, nn

from ..core.bundle import ArtifactKind, BundleManifest, GraphSpec, ModelBundle
from ..core.errors import EngineBuildError, InputSpecError
from ..core.preprocess import PreprocessSpec
from ..runtime.classifier import ExpressionClassifier
from ..runtime.onnxruntime_runner import OnnxRuntimeRunner
from ..training.models.network import ExpressionNetwork, load_network
from . import older_opset
from .golden import golden_vectors
from .metadata import graph_metadata, set_metadata
from .node_names import name_nodes
from .parity import ParityReport, compare

DEFAULT_OPSET = 17
"""Understood by every TensorRT since 8.6, ONNX Runtime's quantiser and every ONNX Runtime since 1.12."""

_OLDEST_EXPORTED = 18  # by PyTorch's exporter

MAX_LOGIT_ERROR = 1e-3
_MAX_IR_VERSION = 10  # ONNX Runtime 1.18 to 1.21, which JetPack users still have, read no newer file
_MAX_BATCH = 1024


class FusedNetwork(nn.Module):
    """The network as it is served: uint8 faces in, logits and probabilities out."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, faces: Tensor, face_size: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Classify preprocessed faces.

        Args:
            faces: uint8 (N, channels, height, width).
            face_size: float32 (N,), native size in pixels; None for a network that is not conditioned on it.

        Returns:
            Logits and probabilities, float32 (N, K).
        """
        logits = self.network(faces, face_size)
        return logits, logits.softmax(dim=1)


def export_onnx(
    bundle: ModelBundle,
    faces: Sequence[npt.NDArray[np.uint8]],
    sizes: Sequence[int],
    *,
    opset: int = DEFAULT_OPSET,
) -> tuple[ModelBundle, ParityReport]:
    """Fuse a bundle's network into one ONNX graph and prove that it equals the PyTorch network.

    The graph is stored only after the proof.

    Args:
        bundle: A trained bundle.
        faces: Faces for the proof, uint8, one or more, at least as large as the largest size.
        sizes: Native face sizes in pixels to prove it at, one or more.
        opset: ONNX operator set, 17 or newer.

    Returns:
        The bundle with its ``model.onnx`` and golden vectors for it, and the comparison.

    Raises:
        ParityError: A logit differs by more than 1e-3, or a decision differs.
        EngineBuildError: PyTorch's exporter failed, or did not write the operator set that was asked for.
        InputSpecError: There is no face or no size, and so no proof.
    """
    if not faces or not sizes:
        raise InputSpecError(
            "nothing proves the graph",
            expected="one or more faces and face sizes",
            found=f"{len(faces)} faces, {len(sizes)} sizes",
        )
    network = load_network(bundle)
    model = fuse(network, bundle.manifest, opset=opset)
    report = _prove(network, model, bundle.manifest, faces, sizes)
    report.raise_if_above(MAX_LOGIT_ERROR)

    golden = golden_vectors(model, bundle.manifest)

    def write(path: Path) -> None:
        onnx.save(model, path)

    return bundle.store(ArtifactKind.ONNX_FP32, write).store(ArtifactKind.GOLDEN, golden.write), report


def fuse(network: ExpressionNetwork, manifest: BundleManifest, *, opset: int = DEFAULT_OPSET) -> onnx.ModelProto:
    """Trace a network into an ONNX model with a free batch axis, batch norm folded, tensors named by the manifest.

    Raises:
        EngineBuildError: PyTorch's exporter failed, or did not write the operator set that was asked for.
    """
    model = trace(network, manifest.preprocess, manifest.graph, opset=opset)
    set_metadata(model, graph_metadata(manifest))
    onnx.checker.check_model(model, full_check=True)
    return model


def trace(network: nn.Module, spec: PreprocessSpec, graph: GraphSpec, *, opset: int = DEFAULT_OPSET) -> onnx.ModelProto:
    """Trace anything that classifies faces into an ONNX model with a free batch axis.

    Args:
        network: From faces, uint8 (N, C, H, W), and native sizes, float32 (N,), to logits, float32 (N, K).
        spec: Shape of its input.
        graph: Names of the tensors; without a ``face_size_input`` the network is given no sizes.
        opset: ONNX operator set.

    Raises:
        EngineBuildError: PyTorch's exporter failed, or did not write the operator set that was asked for.
    """
    if opset < older_opset.OPSET:
        raise EngineBuildError(
            "the graph cannot be written in so old an operator set",
            expected=f"{older_opset.OPSET} or newer",
            found=opset,
        )
    batch = torch.export.Dim("batch", min=1, max=_MAX_BATCH)
    # Two faces, not one: an axis of length 1 would be taken for a constant.
    example = [torch.zeros(2, spec.channels, spec.height, spec.width, dtype=torch.uint8)]
    input_names = [graph.faces_input]
    dynamic_shapes: dict[str, dict[int, object]] = {"faces": {0: batch}}
    if graph.face_size_input is not None:
        example.append(torch.full((2,), float(spec.height)))
        input_names.append(graph.face_size_input)
        dynamic_shapes["face_size"] = {0: batch}
    with warnings.catch_warnings(), _only_errors_of("torch.onnx", "onnxscript", "onnx_ir"):
        warnings.simplefilter("ignore")  # deprecations inside PyTorch's own exporter
        try:
            program = torch.onnx.export(
                FusedNetwork(network).eval(),
                tuple(example),
                dynamo=True,
                dynamic_shapes=dynamic_shapes,
                input_names=input_names,
                output_names=[graph.logits_output, graph.probabilities_output],
                opset_version=max(opset, _OLDEST_EXPORTED),
                optimize=True,
                verbose=False,
            )
        except torch.onnx.OnnxExporterError as problem:
            raise EngineBuildError("PyTorch cannot export the network", found=str(problem)) from problem
    if program is None:
        raise EngineBuildError("PyTorch's exporter returned no program")
    model = program.model_proto
    _check_opset(model, max(opset, _OLDEST_EXPORTED))
    name_nodes(model)
    if opset == older_opset.OPSET:
        older_opset.to_opset_17(model)
    model.ir_version = min(model.ir_version, _MAX_IR_VERSION)
    return model


def _prove(
    network: ExpressionNetwork,
    model: onnx.ModelProto,
    manifest: BundleManifest,
    faces: Sequence[npt.NDArray[np.uint8]],
    sizes: Sequence[int],
) -> ParityReport:
    def pytorch(batch: npt.NDArray[np.uint8], face_size_px: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        with torch.inference_mode():
            logits: npt.NDArray[np.float32] = network(torch.from_numpy(batch), torch.from_numpy(face_size_px)).numpy()
            return logits

    with ExpressionClassifier(OnnxRuntimeRunner(model.SerializeToString()), manifest) as fused:
        return compare(("PyTorch", pytorch), ("the fused ONNX graph", fused.logits), faces, manifest.preprocess, sizes)


def _check_opset(model: onnx.ModelProto, wanted: int) -> None:
    written = next((entry.version for entry in model.opset_import if entry.domain == ""), None)
    if written != wanted:  # PyTorch writes another one without raising when its converter fails
        raise EngineBuildError(
            "PyTorch did not write the operator set that was asked for",
            expected=f"opset {wanted}",
            found=f"opset {written}",
            fix=f"ask for opset {written} or newer",
        )


@contextmanager
def _only_errors_of(*names: str) -> Iterator[None]:
    """Hold back the remarks of loggers below ERROR."""
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
