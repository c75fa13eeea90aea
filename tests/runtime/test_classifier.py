"""From crops to predictions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fsrfer.core.bundle import ArtifactKind, TemperatureBand
from fsrfer.core.errors import BundleError, InputSpecError
from fsrfer.core.predictions import softmax
from fsrfer.runtime import ExpressionClassifier, OnnxRuntimeRunner
from fsrfer.runtime.remote import InferenceLostError, LossReason, RemoteRunner


def classifier_of(bundle, **options) -> ExpressionClassifier:
    runner = OnnxRuntimeRunner(bundle.artifact_path(ArtifactKind.ONNX_FP32))
    return ExpressionClassifier(runner, bundle.manifest, **options)


def crops(*sizes: int) -> list[np.ndarray]:
    rng = np.random.default_rng(7)
    return [rng.integers(0, 256, (size, size, 3), dtype=np.uint8) for size in sizes]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("conditioned", [False, True])
def test_crops_of_any_size_and_colour(make_bundle, tmp_path, channels, conditioned):
    bundle = make_bundle(tmp_path / "bundle", channels=channels, conditioned=conditioned)
    faces = [*crops(8, 24, 100), crops(12)[0][:, :, 0]]
    with classifier_of(bundle) as classifier:
        predictions = classifier.classify(faces)
    assert predictions.labels == bundle.manifest.labels
    np.testing.assert_allclose(predictions.probabilities.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(predictions.face_size_px, [8, 24, 100, 12])
    assert not predictions.abstained.any()


def test_no_face_is_no_error(make_bundle, tmp_path):
    with classifier_of(make_bundle(tmp_path / "bundle")) as classifier:
        assert len(classifier.classify([])) == 0


@pytest.mark.parametrize("conditioned", [False, True])
def test_splitting_into_batches_changes_nothing(make_bundle, tmp_path, conditioned):
    bundle = make_bundle(tmp_path / "bundle", conditioned=conditioned)
    faces = crops(*range(8, 29))
    with classifier_of(bundle, max_batch=64) as whole, classifier_of(bundle, max_batch=4) as split:
        np.testing.assert_allclose(
            whole.classify(faces).probabilities, split.classify(faces).probabilities, rtol=1e-5, atol=1e-7
        )


def test_face_size_reaches_a_graph_that_is_conditioned_on_it(make_bundle, tmp_path):
    bundle = make_bundle(tmp_path / "bundle", conditioned=True)
    batch = np.full((2, 3, 24, 24), 90, np.uint8)
    with classifier_of(bundle) as classifier:
        logits = classifier.logits(batch, np.array([12, 24], np.float32))
    np.testing.assert_allclose(2 * logits[0], logits[1], rtol=1e-5)


def test_temperature_softens_only_its_band(make_bundle, tmp_path):
    bundle = make_bundle(tmp_path / "bundle")
    bands = (TemperatureBand(0, 4.0), TemperatureBand(16, 1.0))
    calibrated = replace(bundle, manifest=replace(bundle.manifest, temperatures=bands))
    logits = np.array([[2.0, 0.0, -1.0]] * 2, np.float32)
    with classifier_of(calibrated) as classifier:
        predictions = classifier.predictions_of(logits, np.array([12, 16], np.float32))
    np.testing.assert_allclose(predictions.probabilities, softmax(logits / np.array([[4.0], [1.0]], np.float32)))


def test_low_confidence_abstains_and_is_called_unknown(make_bundle, tmp_path):
    logits = np.array([[5.0, 0.0, 0.0], [0.1, 0.0, 0.0]], np.float32)
    with classifier_of(make_bundle(tmp_path / "bundle"), abstain_below=0.6) as classifier:
        predictions = classifier.predictions_of(logits, np.array([24, 24], np.float32))
    assert predictions.abstained.tolist() == [False, True]
    assert [predictions.label_of(index) for index in range(2)] == ["neutral", "unknown"]


def test_a_graph_of_another_bundle_is_refused(make_bundle, tmp_path):
    small = make_bundle(tmp_path / "small", size=24)
    large = make_bundle(tmp_path / "large", size=32)
    conditioned = make_bundle(tmp_path / "conditioned", conditioned=True)
    for manifest in (large.manifest, conditioned.manifest):
        with pytest.raises(BundleError, match="the graph's"):
            ExpressionClassifier(OnnxRuntimeRunner(small.artifact_path(ArtifactKind.ONNX_FP32)), manifest)


@pytest.mark.parametrize("options", [{"max_batch": 0}, {"abstain_below": 1.5}, {"abstain_below": -0.1}])
def test_impossible_options_are_refused(make_bundle, tmp_path, options):
    with pytest.raises(InputSpecError, match="impossible classifier options"):
        classifier_of(make_bundle(tmp_path / "bundle"), **options)


class LossyRunner:
    """Loses every second batch on its way to a real runner."""

    serves_threads = True

    def __init__(self, runner):
        self._runner = runner
        self.inputs, self.outputs, self.infer = runner.inputs, runner.outputs, runner.infer
        self.infer_each = runner.infer_each

    def attempt_each(self, feeds):
        for number, feed in enumerate(feeds):
            yield InferenceLostError(LossReason.DEADLINE, "late") if number % 2 else self._runner.infer(feed)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


def test_of_live_pictures_only_the_batch_is_lost_that_was_lost(make_bundle, tmp_path):
    bundle = make_bundle(tmp_path / "bundle")
    faces = crops(8, 12, 16, 20, 24)
    lossy = LossyRunner(OnnxRuntimeRunner(bundle.artifact_path(ArtifactKind.ONNX_FP32)))
    assert isinstance(lossy, RemoteRunner)
    classifier = ExpressionClassifier(lossy, bundle.manifest, max_batch=2)
    expected, found = classifier.classify(faces), classifier.read(faces)
    late = LossReason.DEADLINE
    assert found.losses == (None, None, late, late, None)
    assert found.is_lost.tolist() == [False, False, True, True, False]
    assert np.isnan(found.predictions.probabilities[2:4]).all()
    kept = ~found.is_lost
    assert np.array_equal(found.predictions.probabilities[kept], expected.probabilities[kept])
    assert found.part(1, 3).losses == (None, late)


def test_what_runs_here_is_never_lost(make_bundle, tmp_path):
    with classifier_of(make_bundle(tmp_path / "bundle"), max_batch=2) as classifier:
        faces = crops(8, 12, 16)
        found = classifier.read(faces)
        assert found.losses == (None,) * 3
        assert np.array_equal(found.predictions.probabilities, classifier.classify(faces).probabilities)
