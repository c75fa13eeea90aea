"""From a bundle on disk to a classifier."""

from __future__ import annotations

import numpy as np
import pytest

from fsrfer.core import ArtifactKind, Precision
from fsrfer.core.errors import BackendUnavailableError, BundleError
from fsrfer.runtime.opening import artifact_for, open_bundle


def test_the_bundle_classifies(make_bundle, tmp_path):
    make_bundle(tmp_path / "bundle", ("neutral", "anger"), conditioned=True, channels=1)
    face = np.random.default_rng(0).integers(0, 255, (20, 20, 3), dtype=np.uint8)
    with open_bundle(tmp_path / "bundle", threads=1, max_batch=2, abstain_below=1.0) as classifier:
        predictions = classifier.classify([face] * 3)
    assert predictions.labels == ("neutral", "anger")
    assert classifier.max_batch == 2
    assert predictions.label_of(0) == "unknown"


def test_a_precision_that_is_not_there_is_never_replaced(make_bundle, tmp_path):
    make_bundle(tmp_path / "fp32")
    make_bundle(tmp_path / "int8", kinds=(ArtifactKind.ONNX_INT8_CPU,))
    with pytest.raises(BundleError, match=r"has no onnx-int8-cpu.*Next: fsrfer-calibrate int8"):
        open_bundle(tmp_path / "fp32", precision=Precision.INT8)
    with pytest.raises(BundleError, match="has no onnx-fp32"):
        open_bundle(tmp_path / "int8")
    with open_bundle(tmp_path / "int8", precision=Precision.INT8):
        pass


def test_the_int8_graph_is_that_of_the_provider():
    assert artifact_for(Precision.FP32) is ArtifactKind.ONNX_FP32
    assert artifact_for(Precision.FP16) is ArtifactKind.ONNX_FP16
    assert artifact_for(Precision.INT8) is ArtifactKind.ONNX_INT8_CPU
    assert artifact_for(Precision.INT8, ("TensorrtExecutionProvider",)) is ArtifactKind.ONNX_INT8_TENSORRT


def test_a_provider_that_is_not_there_is_an_error(make_bundle, tmp_path):
    make_bundle(tmp_path / "bundle")
    with pytest.raises(BackendUnavailableError, match="no NoSuchProvider"):
        open_bundle(tmp_path / "bundle", providers=("NoSuchProvider",))
