"""Which file of a bundle Triton is to serve, and whether its tensors are those that the bundle names.

Triton does not check the names and shapes of a configuration against the file before the backend loads it, on the
server. Here they are read from the graph.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...calibration.onnx_packages import import_onnx
from ...core.bundle import ModelBundle
from ...core.errors import BundleError, EngineCompatibilityError
from ...core.files import sha256_of_file
from ...core.options import Backend, Precision, Provider
from ...runtime.engine_record import ENGINES_FOLDER, EngineRecord, engine_records
from ...runtime.opening import artifact_for
from ...runtime.runner import TensorSpec
from ...runtime.triton.facts import ModelFacts, facts_of
from .options import TritonBackend, TritonOptions

_PROVIDERS = {TritonBackend.PYTHON: Provider.CPU, TritonBackend.ONNXRUNTIME: Provider.TENSORRT}


@dataclass(frozen=True)
class ServedModel:
    """A file that Triton serves.

    Attributes:
        path: Where it is in the bundle.
        facts: What identifies it.
        inputs: Its inputs, batch axis first.
        outputs: Its outputs, batch axis first.
        opset: Operator set of the graph.
        ir_version: Version of the graph's file format.
        max_batch: Largest batch.
        record: What an engine was built on; None for a graph.
    """

    path: Path
    facts: ModelFacts
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    opset: int
    ir_version: int
    max_batch: int
    record: EngineRecord | None = None


def served_model(bundle: ModelBundle, options: TritonOptions) -> ServedModel:
    """Choose the file of a bundle.

    Args:
        bundle: The bundle.
        options: What is to be served, and by what.

    Raises:
        BundleError: The bundle has no such graph or engine, or the graph's tensors are not those that it names.
        EngineCompatibilityError: Triton cannot serve the engine.
        MissingDependencyError: ``onnx`` is not installed.
    """
    if options.backend is TritonBackend.TENSORRT:
        record = _engine(bundle, options.precision)
        kind, graph = record.source, bundle.artifact_path(record.source)
        path, sha256 = bundle.path / ENGINES_FOLDER / record.file, record.engine_sha256
        max_batch = min(options.max_batch, record.batch.max)
    else:
        kind = artifact_for(options.precision, _PROVIDERS[options.backend].names)
        path = graph = bundle.artifact_path(kind)
        record, sha256, max_batch = None, bundle.manifest.artifacts[kind.value].sha256, options.max_batch
    model = import_onnx().load(graph, load_external_data=False)
    inputs, outputs = _tensors_of(model)
    _check_tensors(bundle, graph, inputs, outputs)
    opset = next(entry.version for entry in model.opset_import if entry.domain == "")
    facts = facts_of(bundle.manifest, options.precision, kind.value, sha256)
    return ServedModel(path, facts, inputs, outputs, opset, model.ir_version, max_batch, record)


def _tensors_of(model: Any) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    onnx, graph = import_onnx(), model.graph
    constants = {tensor.name for tensor in graph.initializer}
    inputs = tuple(_spec(onnx, info) for info in graph.input if info.name not in constants)
    return inputs, tuple(_spec(onnx, info) for info in graph.output)


def _spec(onnx: Any, info: Any) -> TensorSpec:
    tensor = info.type.tensor_type
    shape = tuple(axis.dim_value if axis.HasField("dim_value") else None for axis in tensor.shape.dim)
    return TensorSpec(info.name, np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)), shape)


def _check_tensors(
    bundle: ModelBundle, graph: Path, inputs: tuple[TensorSpec, ...], outputs: tuple[TensorSpec, ...]
) -> None:
    manifest = bundle.manifest
    spec, names, classes = manifest.preprocess, manifest.graph, len(manifest.labels)
    wanted = {names.faces_input: f"uint8 (?, {spec.channels}, {spec.height}, {spec.width})"}
    if names.face_size_input is not None:
        wanted[names.face_size_input] = "float32 (?)"
    wanted |= dict.fromkeys((names.logits_output, names.probabilities_output), f"float32 (?, {classes})")
    found = {tensor.name: tensor.describe() for tensor in (*inputs, *outputs)}
    if found != wanted:
        raise BundleError(
            f"the tensors of {graph} are not those of the bundle",
            expected=wanted,
            found=found,
            fix=f"fsrfer-export onnx {bundle.path}",
        )


def _engine(bundle: ModelBundle, precision: Precision) -> EngineRecord:
    build = f"fsrfer-export build-engine {bundle.path} --backend tensorrt --precision {precision.value}"
    wanted = (Backend.TENSORRT, precision)
    record = next((found for found in engine_records(bundle) if (found.backend, found.precision) == wanted), None)
    if record is None:
        raise BundleError(
            f"bundle {bundle.path} has no {precision.value} engine for tensorrt",
            found=", ".join(f"{one.backend.value} {one.precision.value}" for one in engine_records(bundle)) or "none",
            fix=f"{build}, on the machine with the server's GPU",
        )
    path = bundle.path / ENGINES_FOLDER / record.file
    source = bundle.manifest.artifacts.get(record.source.value)
    if not path.is_file() or sha256_of_file(path) != record.engine_sha256:
        raise EngineCompatibilityError(f"{path} is missing or was altered", fix=record.command)
    if source is None or source.sha256 != record.source_sha256:
        raise EngineCompatibilityError(f"{path} was built from another graph", fix=record.command)
    if record.options.get("strip_weights"):
        raise EngineCompatibilityError(
            f"{path} has no weights, and Triton does not put them in", fix=f"{build}, without --strip-weights"
        )
    if record.batch.min != 1:
        raise EngineCompatibilityError(
            f"{path} does not take every batch that Triton forms",
            expected="a smallest batch of 1",
            found=str(record.batch),
            fix=f"{build} --batch 1:16:64",
        )
    return record
