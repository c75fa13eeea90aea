"""Fusing a network into one graph: names, shapes, folding, and the proof that ends it."""

from __future__ import annotations

import json
import logging

import numpy as np
import onnx
import pytest
import torch

from fsrfer.core import ArtifactKind, BundleManifest, ColorMode, GraphSpec, ModelBundle, PreprocessSpec, Provenance
from fsrfer.core.errors import EngineBuildError, InputSpecError, ParityError
from fsrfer.core.golden import GoldenVectors
from fsrfer.core.options import Precision
from fsrfer.core.schema import to_mapping
from fsrfer.export import fuse as fusing
from fsrfer.export.fuse import export_onnx, fuse
from fsrfer.runtime import ExpressionClassifier, OnnxRuntimeRunner
from fsrfer.training.models import (
    BackboneConfig,
    ExpressionNetwork,
    GeneratorConfig,
    GeneratorKind,
    NetworkConfig,
    store_network,
)

GENERATORS = {
    "none": GeneratorConfig(GeneratorKind.NONE),
    "residual": GeneratorConfig(GeneratorKind.RESIDUAL, channels=8),
    "rrdb": GeneratorConfig(GeneratorKind.RRDB, channels=8, growth=4, blocks=1),
    "rrdb with bypass": GeneratorConfig(GeneratorKind.RRDB, channels=8, growth=4, blocks=1, bypass_full_size=True),
}
FACES = [np.random.default_rng(seed).integers(0, 256, (32, 32, 3), dtype=np.uint8) for seed in range(6)]


def trained_looking(config: NetworkConfig) -> ExpressionNetwork:
    """A network whose parts all matter: batch statistics and zero-initialised weights are filled."""
    torch.manual_seed(0)
    network = ExpressionNetwork(config)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.running_mean, std=0.3)
            torch.nn.init.uniform_(module.running_var, 0.5, 2.0)
    if network.generator is not None:
        for parameter in network.generator.parameters():
            torch.nn.init.normal_(parameter, std=0.15)
    return network.eval()


def bundle_of(path, generator: GeneratorConfig, channels: int = 3) -> ModelBundle:
    config = NetworkConfig(channels, 16, 4, backbone=BackboneConfig(6, (8, 12), 1), generator=generator)
    network = trained_looking(config)
    manifest = BundleManifest(
        name="tiny",
        labels=("neutral", "happiness", "surprise", "anger"),
        preprocess=PreprocessSpec(16, 16, ColorMode.RGB if channels == 3 else ColorMode.GRAY),
        graph=GraphSpec(face_size_input="face_size" if network.needs_face_size else None),
        architecture=to_mapping(config),
        recipe={"name": "tiny"},
        provenance=Provenance.now(seed=0, dataset_ids=("none",)),
    )
    return store_network(ModelBundle.create(path, manifest), network)


@pytest.fixture(scope="module")
def residual(tmp_path_factory) -> ModelBundle:
    bundle = bundle_of(tmp_path_factory.mktemp("residual"), GENERATORS["residual"])
    return export_onnx(bundle, FACES, (16, 8))[0]


@pytest.mark.parametrize(("name", "channels"), [*((name, 3) for name in GENERATORS), ("residual", 1)])
def test_the_graph_equals_the_network(tmp_path, name, channels):
    bundle, report = export_onnx(bundle_of(tmp_path, GENERATORS[name], channels), FACES, (16, 12, 6))
    assert [(row.face_size_px, row.count, row.agreement) for row in report.rows] == [
        (16, 6, 1.0),
        (12, 6, 1.0),
        (6, 6, 1.0),
    ]
    assert max(row.max_error for row in report.rows) < 1e-3
    runner = OnnxRuntimeRunner(bundle.artifact_path(ArtifactKind.ONNX_FP32))
    conditioned = {"faces", "face_size"} if name in ("residual", "rrdb with bypass") else {"faces"}
    assert set(runner.inputs) == conditioned
    assert runner.inputs["faces"].describe() == f"uint8 (?, {channels}, 16, 16)"
    assert list(runner.outputs) == ["logits", "probabilities"]


@pytest.mark.parametrize("count", [1, 2, 7])
def test_any_batch_size_is_served_alike(residual, count):
    graph = residual.artifact_path(ArtifactKind.ONNX_FP32)
    faces = [FACES[index % len(FACES)] for index in range(count)]
    with ExpressionClassifier(OnnxRuntimeRunner(graph), residual.manifest) as model:
        together = model.classify(faces).probabilities
        alone = np.concatenate([model.classify([face]).probabilities for face in faces])
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_probabilities_are_the_softmax_of_the_logits(residual):
    with OnnxRuntimeRunner(residual.artifact_path(ArtifactKind.ONNX_FP32)) as runner:
        feed = {"faces": np.full((3, 3, 16, 16), 99, np.uint8), "face_size": np.array([16, 8, 6], np.float32)}
        result = runner.infer(feed)
    expected = torch.from_numpy(result["logits"]).softmax(dim=1).numpy()
    np.testing.assert_allclose(result["probabilities"], expected, atol=1e-6)
    assert not np.allclose(result["logits"][0], result["logits"][2])


def test_normalisation_and_batch_norm_are_inside(residual):
    model = onnx.load(residual.artifact_path(ArtifactKind.ONNX_FP32))
    kinds = {node.op_type for node in model.graph.node}
    assert "BatchNormalization" not in kinds
    assert "Cast" in kinds
    assert model.ir_version <= 10
    assert {entry.domain: entry.version for entry in model.opset_import}[""] == 17


def test_the_graph_says_what_it_is(residual):
    with OnnxRuntimeRunner(residual.artifact_path(ArtifactKind.ONNX_FP32)) as runner:
        told = runner.metadata
    assert json.loads(told["fsrfer.labels"]) == list(residual.manifest.labels)
    assert json.loads(told["fsrfer.preprocess"])["height"] == 16
    assert json.loads(told["fsrfer.graph"])["face_size_input"] == "face_size"
    assert json.loads(told["fsrfer.provenance"])["seed"] == 0
    assert told["fsrfer.weights_sha256"] == residual.manifest.artifacts["weights"].sha256


def test_a_graph_that_differs_is_not_kept(tmp_path, monkeypatch):
    bundle = bundle_of(tmp_path, GENERATORS["residual"])

    def fuse_wrongly(network, manifest, *, opset):
        with torch.no_grad():
            network.classifier.predict.bias[0] += 0.01
        model = fuse(network, manifest, opset=opset)
        with torch.no_grad():
            network.classifier.predict.bias[0] -= 0.01
        return model

    monkeypatch.setattr(fusing, "fuse", fuse_wrongly)
    with pytest.raises(ParityError, match=r"differs from PyTorch.*within 0\.001"):
        export_onnx(bundle, FACES, (16, 8))
    assert not ModelBundle.load(tmp_path).has(ArtifactKind.ONNX_FP32)
    assert not (tmp_path / "model.onnx").exists()


def test_an_operator_set_that_is_too_old_is_refused(tmp_path):
    with pytest.raises(EngineBuildError, match=r"expected 17 or newer; found 16"):
        export_onnx(bundle_of(tmp_path, GENERATORS["none"]), FACES, (16,), opset=16)
    assert not (tmp_path / "model.onnx").exists()


@pytest.mark.parametrize("opset", [17, 18, 20])
@pytest.mark.parametrize("generator", ["residual", "rrdb"])
def test_every_operator_set_is_the_same_model(tmp_path, opset, generator):
    bundle, report = export_onnx(bundle_of(tmp_path / "bundle", GENERATORS[generator]), FACES, (16, 8), opset=opset)
    model = onnx.load(bundle.artifact_path(ArtifactKind.ONNX_FP32))
    assert [entry.version for entry in model.opset_import if entry.domain == ""] == [opset]
    assert all(row.max_error < 1e-4 for row in report.rows)
    if opset == 17:
        assert model.ir_version <= 8
        assert all(len(node.input) == 1 for node in model.graph.node if node.op_type == "ReduceMean")


@pytest.mark.parametrize(("faces", "sizes"), [([], (16,)), (FACES, ())])
def test_a_graph_that_nothing_proves_is_not_kept(tmp_path, faces, sizes):
    with pytest.raises(InputSpecError, match="nothing proves the graph"):
        export_onnx(bundle_of(tmp_path, GENERATORS["none"]), faces, sizes)
    assert not ModelBundle.load(tmp_path).has(ArtifactKind.ONNX_FP32)


def test_loggers_are_as_loud_after_fusing_as_before(tmp_path):
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    try:
        logger.setLevel(logging.INFO)
        export_onnx(bundle_of(tmp_path, GENERATORS["none"]), FACES, (16,))
        assert logger.level == logging.INFO
    finally:
        logger.setLevel(level)


def test_golden_vectors_travel_with_the_graph(tmp_path):
    bundle, _ = export_onnx(bundle_of(tmp_path / "bundle", GENERATORS["residual"]), FACES, (16, 8))
    golden = GoldenVectors.read(bundle.artifact_path(ArtifactKind.GOLDEN))
    assert {crop.shape[0] for crop in golden.crops} == {48, 24, 16, 12, 8}
    golden.check_preprocessing(bundle.manifest.preprocess)
    with ExpressionClassifier(
        OnnxRuntimeRunner(bundle.artifact_path(ArtifactKind.ONNX_FP32)), bundle.manifest
    ) as graph:
        golden.check_logits(graph.logits, Precision.FP32, "graph")
        np.testing.assert_allclose(graph.logits(golden.faces, golden.face_size_px), golden.logits, atol=1e-4)


def test_nodes_have_names_that_a_person_knows_and_no_path_of_this_machine(tmp_path):
    bundle, _ = export_onnx(bundle_of(tmp_path / "bundle", GENERATORS["residual"]), FACES, (16,))
    path = bundle.artifact_path(ArtifactKind.ONNX_FP32)
    names = [node.name for node in onnx.load(path).graph.node]
    assert {"backbone.stem.0", "backbone.stages.1.0.body.3", "generator.leave", "classifier.predict"} <= set(names)
    assert len(set(names)) == len(names)
    assert b".py" not in path.read_bytes()
