"""Whether a 16-bit form of a model decides like its FP32 graph."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..calibration.calibration_set import CalibrationSet
from ..calibration.quantization_report import logits_of
from ..core.bundle import ModelBundle
from ..core.errors import CheckFailedError
from ..core.fidelity import sqnr_db
from ..runtime.onnxruntime_runner import OnnxRuntimeRunner

MIN_AGREEMENT = 0.98
"""Least part of the faces with the same most probable expression."""


def compare_decisions(
    bundle: ModelBundle, reference: Path, candidate: bytes, faces: CalibrationSet, name: str
) -> tuple[float, float]:
    """Run both on the same faces.

    Args:
        bundle: Whose graphs they are.
        reference: The FP32 graph.
        candidate: The other one.
        faces: What to run them on.
        name: What to call the other one.

    Returns:
        Signal to noise of the logits in dB, and the fraction of faces with the same most probable expression.

    Raises:
        CheckFailedError: A logit is not finite, or decisions differ too often.
    """
    with OnnxRuntimeRunner(reference) as runner:
        expected = logits_of(runner, bundle.manifest.graph, faces)
    with OnnxRuntimeRunner(candidate) as runner:
        found = logits_of(runner, bundle.manifest.graph, faces)
    agreement = float((expected.argmax(axis=1) == found.argmax(axis=1)).mean())
    if not np.isfinite(found).all() or agreement < MIN_AGREEMENT:
        raise CheckFailedError(
            f"{name} decides differently from FP32 too often",
            expected=f"finite logits and agreement on {MIN_AGREEMENT:.0%} of {len(expected)} faces",
            found=f"{agreement:.1%}, {np.isfinite(found).mean():.1%} of the logits finite",
            fix="serve this model in FP32",
        )
    return round(sqnr_db(expected, found), 2), agreement
