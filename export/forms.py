"""The forms that a bundle holds of one model: PyTorch, graphs, engines; and how each is run on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import numpy.typing as npt

from ..calibration.onnx_packages import import_onnx
from ..calibration.quantization_plan import prepared
from ..core.bundle import ArtifactKind, ModelBundle
from ..core.errors import FsrferError
from ..core.options import Backend, Precision
from ..runtime.classifier import ExpressionClassifier
from ..runtime.cuda import Cuda
from ..runtime.engine_record import ENGINES_FOLDER, EngineRecord, cpu_name, engine_mismatch, engine_records
from ..runtime.onnxruntime_runner import OnnxRuntimeRunner, SessionOptions, import_onnxruntime
from ..runtime.tensorrt_module import load_tensorrt_runtime
from ..runtime.tensorrt_runner import TensorRtRunner
from .bfloat16 import convert_to_bfloat16, rounded_like_bfloat16

Classify = Callable[[npt.NDArray[np.uint8], npt.NDArray[np.float32]], npt.NDArray[np.float32]]
"""From faces, uint8 (N, C, H, W), and native sizes, float32 (N,), to logits, float32 (N, K)."""

FP32_GRAPH = "ONNX FP32"

_GRAPHS = (
    (FP32_GRAPH, ArtifactKind.ONNX_FP32, Precision.FP32),
    ("ONNX FP16", ArtifactKind.ONNX_FP16, Precision.FP16),
    ("ONNX INT8 for CPUs", ArtifactKind.ONNX_INT8_CPU, Precision.INT8),
    ("ONNX INT8 for TensorRT", ArtifactKind.ONNX_INT8_TENSORRT, Precision.INT8),
)


@dataclass(frozen=True)
class Form:
    """One form of a model.

    Attributes:
        name: What reports call it.
        precision: Its number format.
        batches: Batch sizes that it serves: smallest, optimum, largest.
        open: Gives a context manager of a function that runs it; None where it cannot run here.
        reason: Why it cannot run here; empty where it can.
    """

    name: str
    precision: Precision
    batches: tuple[int, int, int]
    open: Callable[[], AbstractContextManager[Classify]] | None
    reason: str = ""


def forms_of(bundle: ModelBundle, *, threads: int | None = None) -> list[Form]:
    """Return all forms that a bundle holds, the FP32 graph first; a form that it lacks is not among them.

    Args:
        bundle: A bundle with its fused graph.
        threads: Threads for ONNX Runtime; None for one a physical core.

    Raises:
        BundleError: There is no FP32 graph, or a file was altered.
    """
    bundle.artifact_path(ArtifactKind.ONNX_FP32)
    forms = [_graph(bundle, *entry, threads) for entry in _GRAPHS if bundle.has(entry[1])]
    if bundle.has(ArtifactKind.ONNX_BF16):
        forms.append(_bfloat16(bundle, threads))
    if bundle.has(ArtifactKind.WEIGHTS):
        forms.insert(1, _pytorch(bundle))
    return forms + [_engine(bundle, record, threads) for record in engine_records(bundle)]


def _graph(bundle: ModelBundle, name: str, kind: ArtifactKind, precision: Precision, threads: int | None) -> Form:
    # TensorRT's graph is run as it is written; what ONNX Runtime would fuse on a CPU is beside the point.
    options = SessionOptions(threads=threads, optimize=kind is not ArtifactKind.ONNX_INT8_TENSORRT)
    path = bundle.artifact_path(kind)
    return Form(name, precision, (1, 16, 64), lambda: _on_onnxruntime(bundle, path, options))


@contextmanager
def _on_onnxruntime(bundle: ModelBundle, path: Path, options: SessionOptions) -> Iterator[Classify]:
    with ExpressionClassifier(OnnxRuntimeRunner(path, options), bundle.manifest) as classifier:
        yield classifier.logits


def _bfloat16(bundle: ModelBundle, threads: int | None) -> Form:
    # No kernels here take bfloat16: what runs is float32 with the same rounding.
    source = bundle.artifact_path(ArtifactKind.ONNX_FP32)

    @contextmanager
    def running() -> Iterator[Classify]:
        model = prepared(import_onnx().load(source))
        _, kept = convert_to_bfloat16(model)
        rounded = rounded_like_bfloat16(model, kept).SerializeToString()
        with ExpressionClassifier(
            OnnxRuntimeRunner(rounded, SessionOptions(threads=threads)), bundle.manifest
        ) as opened:
            yield opened.logits

    return Form("ONNX BF16 (its rounding, in FP32)", Precision.BF16, (1, 16, 64), running)


def _pytorch(bundle: ModelBundle) -> Form:
    name, batches = "PyTorch", (1, 16, 64)
    try:
        from ..training.evaluation import classify_with
        from ..training.models.network import load_network
    except ImportError as problem:
        return Form(name, Precision.FP32, batches, None, f"{problem.name} is not installed")

    @contextmanager
    def running() -> Iterator[Classify]:
        yield classify_with(load_network(bundle))

    return Form(name, Precision.FP32, batches, running)


def _engine(bundle: ModelBundle, record: EngineRecord, threads: int | None) -> Form:
    name = f"engine {record.file}"
    batches = (record.batch.min, record.batch.opt, record.batch.max)
    path = bundle.path / ENGINES_FOLDER / record.file
    try:
        if record.backend is Backend.ONNXRUNTIME:
            mismatch = engine_mismatch(
                bundle, record, library_version=str(import_onnxruntime().__version__), device=cpu_name()
            )
        else:
            trt, gpu = load_tensorrt_runtime(record.backend)
            mismatch = engine_mismatch(
                bundle, record, library_version=str(trt.__version__), compute_capability=gpu.compute_capability
            )
    except FsrferError as problem:
        return Form(name, record.precision, batches, None, str(problem))
    if mismatch is not None:
        return Form(name, record.precision, batches, None, mismatch)
    if record.backend is Backend.ONNXRUNTIME:
        options = SessionOptions(threads=threads, optimize=False)
        return Form(name, record.precision, batches, lambda: _on_onnxruntime(bundle, path, options))
    return Form(name, record.precision, batches, lambda: _on_tensorrt(bundle, path, record, trt))


@contextmanager
def _on_tensorrt(bundle: ModelBundle, path: Path, record: EngineRecord, trt: ModuleType) -> Iterator[Classify]:
    graph = bundle.artifact_path(record.source) if record.options.get("strip_weights") else None
    runner = TensorRtRunner(path, record, trt, Cuda.load(), graph=graph)
    with ExpressionClassifier(runner, bundle.manifest, max_batch=runner.batch.max) as classifier:
        yield classifier.logits
