"""Making the golden vectors of a model (see :mod:`fsrfer.core.golden`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..core.bundle import BundleManifest
from ..core.golden import GoldenVectors
from ..core.preprocess import preprocess
from ..core.resample import bicubic_resize
from ..datasets.procedural import ProceduralFaces
from ..runtime.classifier import ExpressionClassifier
from ..runtime.onnxruntime_runner import OnnxRuntimeRunner

if TYPE_CHECKING:
    import onnx

_SIZES = (48, 24, 16, 12, 8)
_FACES = 10


def golden_vectors(model: onnx.ModelProto, manifest: BundleManifest) -> GoldenVectors:
    """Run drawn faces of several sizes through a graph that was proved.

    The faces are drawn and not real: nobody's face travels with a model.

    Args:
        model: The fused FP32 graph.
        manifest: The bundle's description of it.
    """
    drawn = ProceduralFaces("test", count=_FACES)
    crops = tuple(
        np.ascontiguousarray(bicubic_resize(drawn[index].image, _SIZES[index % len(_SIZES)])) for index in range(_FACES)
    )
    faces, face_size_px = preprocess(list(crops), manifest.preprocess)
    with ExpressionClassifier(OnnxRuntimeRunner(model.SerializeToString()), manifest) as classifier:
        logits = classifier.logits(faces, face_size_px)
    return GoldenVectors(crops, faces, face_size_px, logits)
