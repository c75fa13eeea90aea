"""From a bundle on disk to a classifier."""

from __future__ import annotations

import numpy as np
import pytest

from fsrfer.core import ArtifactKind, Backend, Precision, preprocess
from fsrfer.core.errors import BackendUnavailableError, BundleError, CheckFailedError, EngineCompatibilityError
from fsrfer.core.golden import GoldenVectors
from fsrfer.export.build_engine import build_engine
from fsrfer.export.engine_config import EngineBuildConfig
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


def test_the_engine_of_this_machine_decides_like_the_graph(make_bundle, tmp_path):
    bundle = make_bundle(tmp_path / "bundle")
    crops = [np.random.default_rng(seed).integers(0, 256, (20, 20, 3), dtype=np.uint8) for seed in range(5)]
    build_engine(bundle, EngineBuildConfig(backend=Backend.ONNXRUNTIME))
    with open_bundle(bundle.path) as graph, open_bundle(bundle.path, engine=True) as engine:
        np.testing.assert_allclose(
            engine.classify(crops).probabilities, graph.classify(crops).probabilities, rtol=1e-4, atol=1e-6
        )


def test_without_an_engine_the_graph_is_no_silent_substitute(make_bundle, tmp_path):
    with pytest.raises(BundleError, match=r"no fp32 engine for onnxruntime.*build-engine"):
        open_bundle(make_bundle(tmp_path / "bundle").path, engine=True)


def test_an_engine_of_another_graph_is_refused(make_bundle, tmp_path):
    bundle = make_bundle(tmp_path / "bundle", seed=0)
    build_engine(bundle, EngineBuildConfig(backend=Backend.ONNXRUNTIME))
    make_bundle(tmp_path / "bundle", seed=1)
    with pytest.raises(EngineCompatibilityError, match="built from another graph"):
        open_bundle(bundle.path, engine=True)


def with_golden(bundle, change=lambda logits: logits):
    """Give a bundle golden vectors that its graph meets, or not."""
    crops = tuple(np.random.default_rng(seed).integers(0, 256, (20, 20, 3), dtype=np.uint8) for seed in range(4))
    faces, sizes = preprocess(list(crops), bundle.manifest.preprocess)
    with open_bundle(bundle.path) as classifier:
        logits = classifier.logits(faces, sizes)
    return bundle.store(ArtifactKind.GOLDEN, GoldenVectors(crops, faces, sizes, change(logits)).write)


def test_a_model_that_answers_as_recorded_serves(make_bundle, tmp_path):
    bundle = with_golden(make_bundle(tmp_path / "bundle"))
    with open_bundle(bundle.path) as classifier:
        assert len(classifier.classify([np.zeros((20, 20, 3), np.uint8)])) == 1


def test_a_model_that_answers_otherwise_never_serves(make_bundle, tmp_path):
    bundle = with_golden(make_bundle(tmp_path / "bundle"), change=lambda logits: logits[::-1].copy())
    classifier = open_bundle(bundle.path)
    with pytest.raises(CheckFailedError, match=r"model.onnx fails its self-test"), classifier:
        pytest.fail("it must not be entered")
    with pytest.raises(AttributeError, match="_session"):  # the session is gone: nothing leaks
        classifier.classify([np.zeros((20, 20, 3), np.uint8)])


def test_golden_vectors_that_were_altered_are_refused(make_bundle, tmp_path):
    bundle = with_golden(make_bundle(tmp_path / "bundle"))
    (bundle.path / "golden.npz").write_bytes(b"altered")
    with pytest.raises(BundleError, match="not the file that the bundle names"):
        open_bundle(bundle.path)


@pytest.fixture
def gpu(emulated_orin):
    return emulated_orin


def test_an_engine_serves_what_the_graph_serves(gpu, make_bundle, tmp_path):
    bundle = with_golden(gpu.put_engine(make_bundle(tmp_path / "bundle")))
    crops = [np.random.default_rng(seed).integers(0, 256, (20, 20, 3), dtype=np.uint8) for seed in range(21)]
    with (
        open_bundle(bundle.path) as graph,
        open_bundle(bundle.path, precision=Precision.FP16, backend=Backend.TENSORRT) as engine,
    ):
        assert engine.max_batch == 8
        np.testing.assert_allclose(
            engine.classify(crops).probabilities, graph.classify(crops).probabilities, rtol=1e-5, atol=1e-6
        )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"library_version": "10.13.0"}, "built by another tensorrt"),
        ({"compute_capabilities": ("8.9",)}, "built for other GPUs"),
        ({"platform": "linux-other"}, "another platform"),
        ({"source_sha256": "0" * 64}, "another graph"),
        ({"engine_sha256": "0" * 64}, "was altered"),
    ],
)
def test_an_engine_that_does_not_fit_is_refused_with_the_command_that_rebuilds_it(
    gpu, make_bundle, tmp_path, change, said
):
    bundle = gpu.put_engine(make_bundle(tmp_path / "bundle"), **change)
    with pytest.raises(EngineCompatibilityError, match=rf"{said}.*Next: fsrfer-export build-engine"):
        open_bundle(bundle.path, precision=Precision.FP16, backend=Backend.TENSORRT)


def test_an_engine_that_miscomputes_never_serves(gpu, make_bundle, tmp_path):
    bundle = with_golden(gpu.put_engine(make_bundle(tmp_path / "bundle")), change=lambda logits: -logits)
    classifier = open_bundle(bundle.path, precision=Precision.FP16, backend=Backend.TENSORRT)
    with pytest.raises(CheckFailedError, match=r"fp16\.engine fails its self-test"), classifier:
        pytest.fail("it must not be entered")


def test_without_a_gpu_an_engine_is_no_matter_of_fallback(make_bundle, tmp_path):
    bundle = make_bundle(tmp_path / "bundle")
    with pytest.raises(BackendUnavailableError, match="engines run on a GPU"):
        open_bundle(bundle.path, backend=Backend.TENSORRT_RTX)
