"""From a bundle on disk to a classifier."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.bundle import ArtifactKind, ModelBundle
from ..core.golden import GoldenVectors
from ..core.options import Backend, Precision
from .classifier import ExpressionClassifier
from .cuda import Cuda
from .engine_record import EngineRecord, cpu_name, find_engine
from .onnxruntime_runner import CPU_PROVIDER, OnnxRuntimeRunner, SessionOptions, import_onnxruntime
from .tensorrt_lane import LaneObserver
from .tensorrt_module import load_tensorrt_runtime
from .tensorrt_runner import TensorRtRunner
from .triton.runner import TritonRunner
from .triton.settings import TritonSettings

_logger = logging.getLogger(__name__)


def artifact_for(precision: Precision, providers: Sequence[str] = (CPU_PROVIDER,)) -> ArtifactKind:
    """Return the kind of graph that serves a precision on an execution provider.

    Args:
        precision: Number format that was asked for.
        providers: Execution providers, most wanted first.
    """
    if precision is Precision.FP32:
        return ArtifactKind.ONNX_FP32
    if precision is Precision.FP16:
        return ArtifactKind.ONNX_FP16
    if precision is Precision.BF16:
        return ArtifactKind.ONNX_BF16
    # TensorRT wants other quantisation nodes than the kernels of the CPU.
    return ArtifactKind.ONNX_INT8_CPU if providers[0] == CPU_PROVIDER else ArtifactKind.ONNX_INT8_TENSORRT


def open_bundle(
    path: Path,
    *,
    precision: Precision = Precision.FP32,
    threads: int | None = None,
    providers: tuple[str, ...] = (CPU_PROVIDER,),
    max_batch: int = 64,
    abstain_below: float = 0.0,
    backend: Backend | TritonSettings = Backend.ONNXRUNTIME,
    engine: bool = False,
) -> ExpressionClassifier:
    """Open the classifier of a bundle; use it as a context manager.

    The graph is the one of the precision that is asked for, and no other: an INT8 graph is not taken because it
    happens to be there, nor an FP32 one because the INT8 one is not.

    Args:
        path: Folder of the bundle.
        precision: Which of the bundle's graphs to run.
        threads: Threads inside one operator of ONNX Runtime; None for one a physical core.
        providers: Execution providers of ONNX Runtime, most wanted first; the first one must really be bound.
        max_batch: Most faces in one run of the graph; an engine's own largest batch counts where that is smaller.
        abstain_below: Confidence below which a prediction counts as unknown.
        backend: Library that runs the model. TensorRT runs an engine that was built on this device or for it; Triton
            servers run the model that was exported from this bundle.
        engine: On ONNX Runtime, run the engine that ``fsrfer-export build-engine`` made for this processor and this
            version of ONNX Runtime, instead of optimising the graph anew at every start.

    The classifier tests itself on the bundle's golden vectors when it is entered, and raises CheckFailedError instead
    of serving wrong answers. Triton servers are tested one by one, whenever one joins or comes back; one that fails is
    not asked.

    Raises:
        BundleError: There is no bundle, or it has no graph of this precision; the message says how to make it.
        EngineCompatibilityError: There is no engine for this machine, or it was built from another graph.
        BackendUnavailableError: The provider is not there.
        InferenceLostError: No Triton server answers, or none gives the answers of this bundle.
        EngineBuildError: ONNX Runtime cannot load the graph.
        InputSpecError: An option is out of range.
    """
    bundle = ModelBundle.load(path)
    if isinstance(backend, TritonSettings):
        return _open_triton(bundle, backend, precision, max_batch, abstain_below)
    if backend is not Backend.ONNXRUNTIME:
        return _open_tensorrt(bundle, backend, precision, max_batch, abstain_below)
    if engine:
        graph, sha256 = _engine(bundle, precision)
    else:
        kind = artifact_for(precision, providers)
        graph, sha256 = bundle.artifact_path(kind), bundle.manifest.artifacts[kind.value].sha256
    runner = OnnxRuntimeRunner(graph, SessionOptions(providers=providers, threads=threads, optimize=not engine))
    return ExpressionClassifier(
        runner,
        bundle.manifest,
        max_batch=max_batch,
        abstain_below=abstain_below,
        self_test=self_test_of(bundle, precision, graph.name),
        model_sha256=sha256,
    )


def _open_triton(
    bundle: ModelBundle, settings: TritonSettings, precision: Precision, max_batch: int, abstain_below: float
) -> ExpressionClassifier:
    golden = _golden_of(bundle)
    runner = TritonRunner(settings, bundle.manifest, precision, golden)

    def check_preprocessing(classifier: ExpressionClassifier) -> None:  # the runner tests each server by itself
        if golden is not None:
            golden.check_preprocessing(classifier.manifest.preprocess)

    return ExpressionClassifier(
        runner,
        bundle.manifest,
        max_batch=min(max_batch, runner.max_batch or max_batch),
        abstain_below=abstain_below,
        self_test=check_preprocessing,
        model_sha256=runner.model_sha256,
    )


@dataclass(frozen=True)
class FoundEngine:
    """An engine that this machine can run, and what runs it.

    Attributes:
        path: The engine.
        record: What it was built for.
        trt: The module ``tensorrt`` or ``tensorrt_rtx``.
        cuda: CUDA.
        graph: The graph that its weights come from; None where it has its own.
    """

    path: Path
    record: EngineRecord
    trt: Any
    cuda: Cuda
    graph: Path | None

    def runner(self, observer: LaneObserver | None = None) -> TensorRtRunner:
        """Return a runner of it; see :class:`~fsrfer.runtime.tensorrt_runner.TensorRtRunner` for the errors.

        Args:
            observer: Watches every batch, for profiling.
        """
        return TensorRtRunner(self.path, self.record, self.trt, self.cuda, graph=self.graph, observer=observer)


def find_tensorrt_engine(bundle: ModelBundle, backend: Backend, precision: Precision) -> FoundEngine:
    """Find a bundle's engine for this machine's GPU.

    Args:
        bundle: The bundle.
        backend: ``tensorrt`` or ``tensorrt-rtx``.
        precision: Number format of the engine.

    Raises:
        BackendUnavailableError: There is no GPU, or no CUDA.
        MissingDependencyError: TensorRT's Python package is not installed.
        BundleError: The bundle has no such engine.
        EngineCompatibilityError: It has, but none that this machine can run.
    """
    trt, gpu = load_tensorrt_runtime(backend)
    version = str(trt.__version__)
    path, record = find_engine(
        bundle, backend, precision, library_version=version, compute_capability=gpu.compute_capability
    )
    graph = bundle.artifact_path(record.source) if record.options.get("strip_weights") else None
    return FoundEngine(path, record, trt, Cuda.load(), graph)


def _open_tensorrt(
    bundle: ModelBundle, backend: Backend, precision: Precision, max_batch: int, abstain_below: float
) -> ExpressionClassifier:
    engine = find_tensorrt_engine(bundle, backend, precision)
    runner = engine.runner()
    return ExpressionClassifier(
        runner,
        bundle.manifest,
        max_batch=min(max_batch, runner.batch.max),
        abstain_below=abstain_below,
        self_test=self_test_of(bundle, precision, engine.path.name),
        model_sha256=engine.record.engine_sha256,
    )


def self_test_of(bundle: ModelBundle, precision: Precision, name: str) -> Callable[[ExpressionClassifier], None] | None:
    """Return what tests a classifier on the golden vectors of its bundle; None where the bundle has none.

    Args:
        bundle: The bundle.
        precision: Number format of the graph or engine.
        name: What to call it in the message.

    Raises:
        BundleError: The golden vectors are damaged.
    """
    golden = _golden_of(bundle)
    if golden is None:
        return None

    def self_test(classifier: ExpressionClassifier) -> None:
        golden.check_preprocessing(classifier.manifest.preprocess)
        golden.check_logits(classifier.logits, precision, name)

    return self_test


def _golden_of(bundle: ModelBundle) -> GoldenVectors | None:
    if not bundle.has(ArtifactKind.GOLDEN):
        _logger.info("%s has no golden vectors: no self-test. Next: fsrfer-export onnx", bundle.path)
        return None
    return GoldenVectors.read(bundle.artifact_path(ArtifactKind.GOLDEN))


def _engine(bundle: ModelBundle, precision: Precision) -> tuple[Path, str]:
    version = str(import_onnxruntime().__version__)
    path, record = find_engine(bundle, Backend.ONNXRUNTIME, precision, library_version=version, device=cpu_name())
    return path, record.engine_sha256
