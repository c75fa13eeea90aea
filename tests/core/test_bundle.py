"""The model bundle on disk."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsrfer.core import (
    Artifact,
    ArtifactKind,
    BundleManifest,
    ColorMode,
    EnlargeFilter,
    GraphSpec,
    ModelBundle,
    PreprocessSpec,
    Provenance,
    TemperatureBand,
)
from fsrfer.core.bundle import MANIFEST_NAME
from fsrfer.core.errors import BundleError
from fsrfer.core.labels import CANONICAL_LABELS

_TEXT = st.text(max_size=20)
_PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=6,
)
_TABLE = st.dictionaries(_TEXT, _PLAIN, max_size=3)
_bands = st.dictionaries(st.floats(0, 200), st.floats(0.1, 10), max_size=3).map(
    lambda bands: tuple(TemperatureBand(start, bands[start]) for start in sorted(bands))
)
_manifests = st.builds(
    BundleManifest,
    name=_TEXT,
    labels=st.lists(st.sampled_from(CANONICAL_LABELS), min_size=2, unique=True).map(tuple),
    preprocess=st.builds(
        PreprocessSpec,
        height=st.integers(1, 200),
        width=st.integers(1, 200),
        color=st.sampled_from(ColorMode),
        enlarge=st.sampled_from(EnlargeFilter),
        crop_margin=st.floats(-0.4, 2.0),
    ),
    graph=st.builds(GraphSpec, faces_input=_TEXT, face_size_input=st.none() | _TEXT),
    architecture=_TABLE,
    recipe=_TABLE,
    provenance=st.builds(
        Provenance,
        created=_TEXT,
        seed=st.integers(),
        dataset_ids=st.lists(_TEXT, max_size=3).map(tuple),
        versions=st.dictionaries(_TEXT, _TEXT, max_size=3),
        platform=_TEXT,
    ),
    temperatures=_bands,
    metrics=_TABLE,
    calibration=st.none() | _TABLE,
    artifacts=st.dictionaries(
        st.sampled_from([kind.value for kind in ArtifactKind]),
        st.builds(Artifact, path=st.just("model.onnx"), sha256=_TEXT, size_bytes=st.integers(0)),
    ),
)


def manifest(**changes):
    fields = {
        "name": "tiny",
        "labels": ("neutral", "happiness"),
        "preprocess": PreprocessSpec(),
        "graph": GraphSpec(),
        "architecture": {},
        "recipe": {},
        "provenance": Provenance.now(seed=0, dataset_ids=("none",)),
    }
    return BundleManifest(**{**fields, **changes})


@pytest.fixture
def bundle(tmp_path):
    return ModelBundle.create(tmp_path / "bundle", manifest())


@settings(max_examples=60, deadline=None)
@given(_manifests)
def test_every_manifest_comes_back_as_it_was(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("bundle")
    ModelBundle.create(path, content)
    assert ModelBundle.load(path) == ModelBundle(path, content)


def test_a_stored_artefact_is_named_and_found(bundle):
    stored = bundle.store(ArtifactKind.WEIGHTS, lambda target: target.write_bytes(b"weights"))
    assert not bundle.has(ArtifactKind.WEIGHTS)  # a bundle is a value; the new one is returned
    assert stored.has(ArtifactKind.WEIGHTS)
    assert stored == ModelBundle.load(bundle.path)
    assert stored.artifact_path(ArtifactKind.WEIGHTS).read_bytes() == b"weights"
    assert stored.manifest.artifacts["weights"].size_bytes == 7
    assert sorted(file.name for file in bundle.path.iterdir()) == [MANIFEST_NAME, "weights.safetensors"]


def test_storing_again_replaces(bundle):
    for content in (b"one", b"two"):
        bundle = bundle.store(ArtifactKind.ONNX_FP32, lambda target, content=content: target.write_bytes(content))
    assert bundle.artifact_path(ArtifactKind.ONNX_FP32).read_bytes() == b"two"


def test_a_writer_that_fails_leaves_the_old_artefact(bundle):
    stored = bundle.store(ArtifactKind.WEIGHTS, lambda target: target.write_bytes(b"old"))

    def fail(target):
        target.write_bytes(b"ha")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        stored.store(ArtifactKind.WEIGHTS, fail)
    assert ModelBundle.load(bundle.path).artifact_path(ArtifactKind.WEIGHTS).read_bytes() == b"old"


@pytest.mark.parametrize("kind", ArtifactKind)
def test_an_altered_artefact_is_refused_with_the_command_that_makes_it_again(bundle, kind):
    stored = bundle.store(kind, lambda target: target.write_bytes(b"content"))
    stored.artifact_path(kind).write_bytes(b"Content")
    with pytest.raises(BundleError, match="is not the file that the bundle names") as caught:
        stored.artifact_path(kind)
    assert caught.value.fix == kind.made_by.format(bundle=bundle.path)
    assert caught.value.fix.startswith("fsrfer-")


def test_an_artefact_that_is_gone_is_refused(bundle):
    stored = bundle.store(ArtifactKind.ONNX_FP32, lambda target: target.write_bytes(b"graph"))
    stored.artifact_path(ArtifactKind.ONNX_FP32).unlink()
    with pytest.raises(BundleError, match=r"model\.onnx is missing") as caught:
        stored.artifact_path(ArtifactKind.ONNX_FP32)
    assert caught.value.fix == f"fsrfer-export onnx {bundle.path}"


def test_an_artefact_that_was_never_made_is_refused(bundle):
    with pytest.raises(BundleError, match="has no onnx-int8-cpu") as caught:
        bundle.artifact_path(ArtifactKind.ONNX_INT8_CPU)
    assert caught.value.fix == f"fsrfer-calibrate int8 {bundle.path} --data DATA"


@pytest.mark.parametrize("path", ["/etc/passwd", "../other/model.onnx", "engines/../../model.onnx"])
def test_an_artefact_outside_the_bundle_is_refused(bundle, path):
    with pytest.raises(BundleError, match="outside its bundle"):
        Artifact(path, "0" * 64, 1)
    value = json.loads((bundle.path / MANIFEST_NAME).read_text())
    value["artifacts"] = {"weights": {"path": path, "sha256": "0" * 64, "size_bytes": 1}}
    (bundle.path / MANIFEST_NAME).write_text(json.dumps(value))
    with pytest.raises(BundleError, match=r"malformed at artifacts\.weights.*outside its bundle"):
        ModelBundle.load(bundle.path)


def test_recording_keeps_what_others_stored_meanwhile(bundle):
    bundle.store(ArtifactKind.WEIGHTS, lambda target: target.write_bytes(b"weights"))
    recorded = bundle.record(metrics={"accuracy": 0.5}, temperatures=(TemperatureBand(8, 1.5),))
    assert recorded.has(ArtifactKind.WEIGHTS)
    assert ModelBundle.load(bundle.path).manifest.metrics == {"accuracy": 0.5}


def test_two_processes_that_store_at_once_lose_nothing(bundle):
    code = """
import sys
from pathlib import Path
from fsrfer.core import ArtifactKind, ModelBundle
bundle, kinds = ModelBundle.load(Path(sys.argv[1])), [ArtifactKind(value) for value in sys.argv[2:]]
print("ready", flush=True)
sys.stdin.readline()
for turn in range(20):
    for kind in kinds:
        bundle.store(kind, lambda target: target.write_text(kind.value))
"""
    halves = [[kind.value for kind in list(ArtifactKind)[start::2]] for start in range(2)]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(bundle.path), *kinds],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for kinds in halves
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        process.communicate(timeout=60)
        assert process.returncode == 0
    final = ModelBundle.load(bundle.path)
    for kind in ArtifactKind:
        assert final.artifact_path(kind).read_text() == kind.value


def test_a_folder_without_a_manifest_is_not_a_bundle(tmp_path):
    with pytest.raises(BundleError, match="is not a model bundle") as caught:
        ModelBundle.load(tmp_path)
    assert caught.value.fix == f"fsrfer-train fit --output {tmp_path}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "is not JSON"),
        (b"{", "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b"[]", "has another layout"),
        (b"{}", "found schema_version None"),
        (b'{"schema_version": 99}', "expected schema_version 1; found schema_version 99"),
        (b'{"schema_version": 1}', "malformed at name"),
    ],
)
def test_a_damaged_manifest_is_refused(bundle, text, message):
    (bundle.path / MANIFEST_NAME).write_bytes(text)
    with pytest.raises(BundleError, match=message):
        ModelBundle.load(bundle.path)


def test_an_unknown_key_is_refused(bundle):
    value = json.loads((bundle.path / MANIFEST_NAME).read_text())
    value["preprocess"]["mean"] = 0.5
    (bundle.path / MANIFEST_NAME).write_text(json.dumps(value))
    with pytest.raises(BundleError, match=r"malformed at preprocess\.mean"):
        ModelBundle.load(bundle.path)


@pytest.mark.parametrize("labels", [(), ("neutral",), ("neutral", "neutral")])
def test_unusable_labels_are_refused(labels):
    with pytest.raises(BundleError, match="labels of the bundle"):
        manifest(labels=labels)


@pytest.mark.parametrize("bands", [[(8, 0)], [(8, -1)], [(8, float("nan"))], [(16, 1), (8, 1)], [(8, 1), (8, 2)]])
def test_unusable_temperatures_are_refused(bands):
    with pytest.raises(BundleError, match="temperatures of the bundle"):
        manifest(temperatures=tuple(TemperatureBand(*band) for band in bands))


def test_a_manifest_that_cannot_be_written_leaves_the_old_one(bundle):
    with pytest.raises(ValueError, match="JSON"):
        bundle.record(metrics={"accuracy": float("nan")})
    assert ModelBundle.load(bundle.path) == bundle
    assert replace(bundle.manifest, metrics={}) == bundle.manifest


def test_new_weights_forget_the_graphs_of_the_old_ones(bundle):
    for kind in (ArtifactKind.WEIGHTS, ArtifactKind.ONNX_FP32, ArtifactKind.ONNX_FP16, ArtifactKind.ONNX_INT8_CPU):
        bundle = bundle.store(kind, lambda path: path.write_bytes(b"first"))
    bundle = bundle.record(calibration={"samples": 3}, float16={"overflowing": []})
    same = bundle.store(ArtifactKind.ONNX_FP32, lambda path: path.write_bytes(b"first"))
    assert same.has(ArtifactKind.ONNX_FP16)
    assert same.manifest.float16 == {"overflowing": []}
    other = bundle.store(ArtifactKind.ONNX_FP32, lambda path: path.write_bytes(b"second"))
    assert not other.has(ArtifactKind.ONNX_FP16)
    assert not other.has(ArtifactKind.ONNX_INT8_CPU)
    assert other.manifest.calibration is other.manifest.float16 is None
    assert other.has(ArtifactKind.WEIGHTS)
    trained = other.store(ArtifactKind.WEIGHTS, lambda path: path.write_bytes(b"second"))
    assert not trained.has(ArtifactKind.ONNX_FP32)
