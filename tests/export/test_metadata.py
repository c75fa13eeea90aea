"""What a graph says about itself: enough to serve it without its bundle."""

from __future__ import annotations

import json

import onnx
import pytest

from fsrfer.core import BundleManifest, ColorMode, GraphSpec, PreprocessSpec, Provenance
from fsrfer.core.bundle import Artifact, TemperatureBand
from fsrfer.core.errors import BundleError
from fsrfer.core.schema import from_mapping
from fsrfer.export.metadata import METADATA_SCHEMA, graph_metadata, set_metadata

SCALAR = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])


def manifest(**changes) -> BundleManifest:
    settings = {
        "name": 'quotes " and é',
        "labels": ("surprise", "neutral"),
        "preprocess": PreprocessSpec(24, 32, ColorMode.GRAY, crop_margin=0.2),
        "graph": GraphSpec(face_size_input="face_size", logits_output="scores"),
        "architecture": {"secret": "not told"},
        "recipe": {},
        "provenance": Provenance.now(seed=5, dataset_ids=("some/train", "some/valid")),
        "temperatures": (TemperatureBand(0.0, 1.5), TemperatureBand(24.0, 0.8)),
        "artifacts": {"weights": Artifact("weights.safetensors", "ab" * 32, 10)},
    }
    return BundleManifest(**{**settings, **changes})


def empty_model() -> onnx.ModelProto:
    return onnx.helper.make_model(onnx.helper.make_graph([], "empty", [SCALAR], [SCALAR]))


@pytest.mark.parametrize("part", ["preprocess", "graph", "provenance"])
def test_each_part_can_be_read_back(part):
    described = manifest()
    kind = type(getattr(described, part))
    value = json.loads(graph_metadata(described)[f"fsrfer.{part}"])
    assert from_mapping(kind, value, where=part, error=BundleError) == getattr(described, part)


def test_labels_keep_the_order_of_the_outputs():
    assert json.loads(graph_metadata(manifest())["fsrfer.labels"]) == ["surprise", "neutral"]


def test_temperatures_and_weights_are_named():
    told = graph_metadata(manifest())
    assert json.loads(told["fsrfer.temperatures"]) == [
        {"min_face_px": 0.0, "temperature": 1.5},
        {"min_face_px": 24.0, "temperature": 0.8},
    ]
    assert told["fsrfer.weights_sha256"] == "ab" * 32
    assert told["fsrfer.schema"] == METADATA_SCHEMA
    assert graph_metadata(manifest(artifacts={}))["fsrfer.weights_sha256"] == ""


def test_it_survives_the_file(tmp_path):
    model = empty_model()
    told = graph_metadata(manifest())
    set_metadata(model, told)
    onnx.save(model, tmp_path / "model.onnx")
    kept = {entry.key: entry.value for entry in onnx.load(tmp_path / "model.onnx").metadata_props}
    assert kept == told
    assert kept["fsrfer.name"] == 'quotes " and é'


def test_setting_again_replaces_and_leaves_other_keys_alone():
    model = empty_model()
    model.metadata_props.add(key="author", value="somebody")
    set_metadata(model, graph_metadata(manifest(name="old")))
    set_metadata(model, graph_metadata(manifest(name="new")))
    keys = [entry.key for entry in model.metadata_props]
    assert len(set(keys)) == len(keys)
    values = {entry.key: entry.value for entry in model.metadata_props}
    assert (values["author"], values["fsrfer.name"]) == ("somebody", "new")
