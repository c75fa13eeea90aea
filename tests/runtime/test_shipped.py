"""The model that comes with fsrfer: there, whole, small, and good for what its card says."""

from __future__ import annotations

import numpy as np
import pytest

from fsrfer.core import ArtifactKind, ModelBundle, Precision
from fsrfer.core.errors import BundleError
from fsrfer.core.labels import FERPLUS_LABELS
from fsrfer.datasets import Subset, Track, evaluate_by_size, open_dataset
from fsrfer.runtime import default_bundle_path, open_bundle, shipped

LARGEST_FILE_BYTES = 8_000_000


@pytest.fixture(scope="module")
def bundle() -> ModelBundle:
    return ModelBundle.load(default_bundle_path())


def test_every_artefact_is_there_and_small(bundle):
    for kind in (
        ArtifactKind.WEIGHTS,
        ArtifactKind.ONNX_FP32,
        ArtifactKind.ONNX_INT8_CPU,
        ArtifactKind.ONNX_INT8_TENSORRT,
        ArtifactKind.MODEL_CARD,
    ):
        assert bundle.artifact_path(kind).stat().st_size < LARGEST_FILE_BYTES


def test_it_fits_the_edge(bundle):
    cost = bundle.manifest.metrics["cost"]
    assert cost["parameters"] <= 2_000_000
    assert cost["macs"] <= 150_000_000


def test_it_says_what_it_is(bundle):
    manifest = bundle.manifest
    assert manifest.labels == FERPLUS_LABELS
    assert manifest.recipe["name"] == "edge"
    assert manifest.temperatures[0].min_face_px == 0
    assert len(manifest.temperatures) == 5
    assert {"test", "test_realistic", "abstention", "cost"} <= set(manifest.metrics)
    card = bundle.artifact_path(ArtifactKind.MODEL_CARD).read_text(encoding="utf-8")
    for told in (
        "research only",
        "must not be used",
        "Known failures",
        "label means something",
        "On real crops",
        "FER2013",
    ):
        assert told in card


@pytest.mark.parametrize("precision", [Precision.FP32, Precision.INT8])
@pytest.mark.parametrize("shape", [(12, 12), (30, 40, 3), (8, 8, 3), (200, 180)])
def test_it_reads_faces_of_any_size_and_colour(bundle, precision, shape):
    face = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    with open_bundle(bundle.path, precision=precision, threads=1) as classifier:
        alone, beside = classifier.classify([face]), classifier.classify([face[::-1], face])
    np.testing.assert_allclose(alone.probabilities.sum(axis=1), 1.0, rtol=1e-5)
    np.testing.assert_allclose(beside.probabilities[1], alone.probabilities[0], atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("precision", [Precision.FP32, Precision.INT8])
def test_its_card_tells_the_truth(bundle, shared, precision):
    """On every third test face of FER+; the card's interval has to hold the accuracy, with room for the fewer faces."""
    faces = open_dataset(f"ferplus:{shared / 'data' / 'ferplus'}", "test")
    third = Subset(faces, range(0, len(faces), 3))
    manifest = bundle.manifest
    with open_bundle(bundle.path, precision=precision, threads=1) as classifier:
        for track, key in ((Track.CLEAN, "test"), (Track.REALISTIC, "test_realistic")):
            report = evaluate_by_size(
                classifier.logits,
                third,
                manifest.preprocess,
                (48, 16, 8),
                temperatures=manifest.temperatures,
                track=track,
            )
            told = {row["face_size_px"]: row["accuracy"] for row in manifest.metrics[key]["sizes"]}
            for row in report.sizes:
                assert row.accuracy.low <= told[row.face_size_px]["value"] <= row.accuracy.high


def test_an_installation_without_it_says_so(monkeypatch):
    monkeypatch.setattr(shipped, "_FOLDER", ("bundles", "none"))
    with pytest.raises(BundleError, match=r"is not there.*--force-reinstall"):
        default_bundle_path()
