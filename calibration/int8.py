"""The whole way from a fused graph and labelled faces to INT8 graphs in the bundle."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.bundle import ArtifactKind, ModelBundle
from ..core.errors import CheckFailedError
from ..core.provenance import installed_versions
from ..core.schema import to_mapping
from ..datasets.sample import FaceDataset
from ..runtime.onnxruntime_runner import OnnxRuntimeRunner, SessionOptions
from .calibration_set import CalibrationSet
from .int8_builder import INT8_KINDS, Int8Builder
from .int8_config import Int8Config, RangeMethod
from .onnx_packages import import_onnx
from .quantization_report import GraphQuantization, QuantizationReport, compare_quantized, logits_of

if TYPE_CHECKING:
    import onnx


def calibrate_int8(
    bundle: ModelBundle,
    dataset: FaceDataset,
    config: Int8Config | None = None,
    *,
    test_faces: Collection[bytes] | None = None,
) -> ModelBundle:
    """Quantise a bundle's fused graph and check the result on faces that it was not calibrated on.

    Nothing is stored where the check fails.

    Args:
        bundle: A bundle with its ``model.onnx``.
        dataset: Faces like those that the model will meet; the training split, usually.
        config: How to quantise.
        test_faces: Hashes of the faces that the model is judged on; they are left out (see
            :meth:`CalibrationSet.draw`).

    Returns:
        The bundle with a graph for TensorRT, a graph for CPUs, and a :class:`QuantizationReport` in
        ``manifest.calibration``.

    Raises:
        BundleError: The bundle has no fused graph.
        CalibrationError: The faces or the options are unusable.
        CheckFailedError: An INT8 graph decides differently too often.
        MissingDependencyError: ``onnx`` or ``onnxruntime`` is not installed.
    """
    config = config or Int8Config()
    onnx = import_onnx()
    source = bundle.artifact_path(ArtifactKind.ONNX_FP32)
    manifest = bundle.manifest
    calibration, held_out = CalibrationSet.draw_with_held_out(
        dataset,
        manifest.preprocess,
        samples=config.samples,
        held_out=config.held_out,
        sizes=config.sizes,
        seed=config.seed,
        test_faces=test_faces,
    )
    builder = Int8Builder.measured(onnx.load(source), manifest.graph, calibration, config)
    graphs = {kind: builder.build(kind) for kind in INT8_KINDS}
    checks = _check(bundle, source, graphs, held_out, config.min_agreement)
    report = QuantizationReport(
        source_sha256=manifest.artifacts[ArtifactKind.ONNX_FP32.value].sha256,
        method=config.method,
        percentile=config.percentile if config.method is RangeMethod.PERCENTILE else None,
        calibrated_on=calibration.manifest,
        checked_on=held_out.manifest,
        tensorrt=checks[ArtifactKind.ONNX_INT8_TENSORRT],
        cpu=checks[ArtifactKind.ONNX_INT8_CPU],
        versions=installed_versions(),
    )
    for kind, graph in graphs.items():
        bundle = bundle.store(kind, partial(onnx.save, graph))
    return bundle.record(calibration=to_mapping(report))


def _check(
    bundle: ModelBundle,
    source: Path,
    graphs: dict[ArtifactKind, onnx.ModelProto],
    held_out: CalibrationSet,
    min_agreement: float,
) -> dict[ArtifactKind, GraphQuantization]:
    names = bundle.manifest.graph
    with OnnxRuntimeRunner(source) as runner:
        reference = logits_of(runner, names, held_out)
    checks = {}
    for kind, graph in graphs.items():
        # TensorRT's graph is run as it is written; what ONNX Runtime would fuse on a CPU is beside the point.
        options = SessionOptions(optimize=kind is ArtifactKind.ONNX_INT8_CPU)
        with OnnxRuntimeRunner(graph.SerializeToString(), options) as runner:
            candidate = logits_of(runner, names, held_out)
        checks[kind] = compare_quantized(graph, reference, candidate, held_out.face_size_px)
        if not checks[kind].agreement >= min_agreement:
            raise CheckFailedError(
                f"{kind.value} decides differently from FP32 too often",
                expected=f"agreement on {min_agreement:.1%} of {len(held_out)} held-out faces",
                found=f"{checks[kind].agreement:.1%}, logits at {checks[kind].logits_sqnr_db} dB",
                fix="calibrate on more faces, by another method, or keep sensitive nodes in float (--keep-fp32)",
            )
    return checks
