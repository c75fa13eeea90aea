"""Which of a bundle's graphs are measured, and what is known about them."""

from __future__ import annotations

from ...core.bundle import ArtifactKind, ModelBundle
from ...core.errors import BundleError, UsageError
from ...core.options import Precision, Provider
from ..opening import artifact_for
from .report import ProfiledGraph, SkippedPrecision

_NO_FP16 = "CPUs compute in float32: half precision would only add conversions; it is for GPUs"


def choose_precisions(
    bundle: ModelBundle, wanted: tuple[Precision, ...], provider: Provider = Provider.CPU
) -> tuple[tuple[Precision, ...], tuple[SkippedPrecision, ...]]:
    """Return the number formats to measure, and those that the bundle has and that are left out.

    Args:
        bundle: What to measure.
        wanted: Those that were asked for; empty for all that there are.
        provider: What runs them.

    Raises:
        BundleError: There is no graph to measure.
        UsageError: Half precision was asked for on a CPU.
    """
    refused = {one for one in Precision if one.needs_gpu} if provider is Provider.CPU else set()
    if asked := refused.intersection(wanted):
        names = ", ".join(sorted(precision.value for precision in asked))
        raise UsageError(
            f"{names} is not measured on the CPU", found=_NO_FP16, fix="--precision fp32,int8, or a GPU (--provider)"
        )
    if wanted:
        return tuple(dict.fromkeys(wanted)), ()
    present = tuple(precision for precision in Precision if bundle.has(artifact_for(precision, provider.names)))
    chosen = tuple(precision for precision in present if precision not in refused)
    if not chosen:
        raise BundleError(
            f"bundle {bundle.path} has no graph for {provider.names[0]}",
            fix=ArtifactKind.ONNX_FP32.made_by.format(bundle=bundle.path),
        )
    skipped = tuple(SkippedPrecision(precision, _NO_FP16) for precision in present if precision in refused)
    return chosen, skipped


def describe_graph(bundle: ModelBundle, precision: Precision, provider: str) -> ProfiledGraph:
    """Describe the graph that serves a number format.

    Args:
        bundle: The bundle.
        precision: Number format.
        provider: Execution provider that was bound.
    """
    kind = artifact_for(precision, (provider,))
    artifact = bundle.manifest.artifacts[kind.value]
    calibration = (bundle.manifest.calibration or {}) if precision is Precision.INT8 else {}
    graph = calibration.get("cpu" if kind is ArtifactKind.ONNX_INT8_CPU else "tensorrt", {})
    return ProfiledGraph(
        precision=precision,
        kind=kind.value,
        sha256=artifact.sha256,
        size_bytes=artifact.size_bytes,
        provider=provider,
        agreement_with_fp32=float(graph["agreement"]) if "agreement" in graph else None,
        agreement_by_size={size: float(value) for size, value in graph.get("agreement_by_size", {}).items()},
        calibration_sha256=calibration.get("calibrated_on", {}).get("sha256"),
    )
